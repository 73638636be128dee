"""Checks of a task's request beyond its schema."""
