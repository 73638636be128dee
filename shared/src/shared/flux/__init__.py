"""FLUX on torch and diffusers, for the workers that run or train it."""
