"""Logging set-up of every process."""
