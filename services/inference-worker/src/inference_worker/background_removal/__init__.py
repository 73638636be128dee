"""Cutting out what pictures are about."""
