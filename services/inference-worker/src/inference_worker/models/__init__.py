"""Weights that ship with the worker, one folder in diffusers format per model."""
