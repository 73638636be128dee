"""Tiled refinement: upscale, edit tile by tile, check, blend."""
