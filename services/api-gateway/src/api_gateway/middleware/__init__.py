"""ASGI middleware independent of the routes."""
