"""What runs, where, and how fast."""
