"""Conversion of uploaded pickles, in a process of its own with limits."""
