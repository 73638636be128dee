"""Evaluation of an image by a vision model."""
