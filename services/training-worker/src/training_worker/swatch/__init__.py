"""Swatch: a small FLUX, trained on Fashion-MNIST."""
