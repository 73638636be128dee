"""Repair of regions of a picture: faces, details of a garment."""
