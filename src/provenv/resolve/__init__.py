"""Floor 3: manifest → lock."""
