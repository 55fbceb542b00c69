"""Floor 6: the use cases, one module a verb."""
