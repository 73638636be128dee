"""ASGI middleware that knows nothing of the routes."""
