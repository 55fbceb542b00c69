"""What was done here, by whom, and how it ended: the operations log, and what is safe where one failed."""
