"""Swatch: a real FLUX of small size, trained on Fashion-MNIST."""
