"""Floor 2: outside programs behind one adapter each (uv, git, keyring)."""
