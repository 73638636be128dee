"""Tasks: one piece of work each."""
