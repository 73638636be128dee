"""REST API of the platform."""
