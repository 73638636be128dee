"""Reads that concurrent requests share, and states remembered for a few seconds."""
