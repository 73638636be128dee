"""Request and response schemas of the task types."""
