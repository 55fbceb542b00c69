"""Floor 3: the files of other tools, read into one frozen value, and written from a lock."""
