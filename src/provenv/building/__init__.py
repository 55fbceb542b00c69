"""Floor 5: source trees → wheels, each build in an isolated environment of its own."""
