"""Floor 3: lock → findings → verdict, from advisories that lie on this machine."""
