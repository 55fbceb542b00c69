"""The matrix and the bisector as values and decisions: which cells there are, what to try next."""
