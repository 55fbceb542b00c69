"""Floor 7: parse, call a use case, draw."""
