"""Floor 1: frozen values without I/O (manifest, lock, interpreter, plan, generation, layout)."""
