"""Admission of input pictures by header and structure."""
