"""API keys from a terminal."""
