"""Mends one part of a picture: a face, a detail of a garment."""
