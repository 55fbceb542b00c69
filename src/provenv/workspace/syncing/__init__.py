"""Manifest → lock → generation, the way back, and questions about all three."""
