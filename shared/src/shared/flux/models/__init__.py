"""Weights that ship with this package, one folder in diffusers format per model."""
