"""The GPU worker: local FLUX inference and tiled refinement."""
