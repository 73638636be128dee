"""Logging configuration of all processes."""
