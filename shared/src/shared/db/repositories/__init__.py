"""Queries by subject. Each takes a session; the caller commits."""
