"""`test` and `bisect`: the same project in many environments."""
