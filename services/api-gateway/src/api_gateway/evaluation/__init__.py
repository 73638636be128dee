"""Evaluation of a picture by a vision model."""
