"""What a project is: found and opened, its files written, and the workspace that it may be one of."""
