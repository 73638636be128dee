"""One deterministic workflow a file."""
