"""Tasks, the units of work."""
