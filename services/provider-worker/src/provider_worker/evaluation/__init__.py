"""Evaluation of pictures by a vision language model."""
