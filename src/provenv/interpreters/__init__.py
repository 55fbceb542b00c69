"""Floor 3: finding interpreters and asking them what they are."""
