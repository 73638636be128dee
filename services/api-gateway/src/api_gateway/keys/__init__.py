"""API keys: making them known."""
