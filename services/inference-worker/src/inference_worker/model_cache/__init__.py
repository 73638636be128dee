"""Models in memory: their parts, shared by digest, within a budget."""
