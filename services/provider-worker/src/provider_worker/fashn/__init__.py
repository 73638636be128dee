"""The adapter of FASHN: virtual try-on."""
