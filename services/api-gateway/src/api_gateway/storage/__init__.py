"""Stored images."""
