"""The default of distilled guidance, for pictures that name none; imports no torch."""

DEFAULT_GUIDANCE_SCALE = 3.5
"""Distilled guidance of models with guidance embeddings, as published for FLUX.1 [dev]."""
