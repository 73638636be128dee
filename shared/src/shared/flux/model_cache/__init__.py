"""Models in memory: parts shared by digest, within a budget."""
