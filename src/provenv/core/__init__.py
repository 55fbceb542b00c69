"""Floor 0: mechanics without domain words (errors, events, digests, files, links, processes, HTTP)."""
