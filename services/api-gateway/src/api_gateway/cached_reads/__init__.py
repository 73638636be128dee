"""Reads that concurrent requests share, and states that are cached for a few seconds."""
