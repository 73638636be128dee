"""Engines that make and edit pictures: FLUX on diffusers, and one that needs no weights."""
