"""`doctor` and `isolation`: what goes wrong, what mends it, and proof that an environment is closed."""
