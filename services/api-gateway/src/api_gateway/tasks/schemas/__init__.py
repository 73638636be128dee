"""Request and response schemas of the eleven task types."""
