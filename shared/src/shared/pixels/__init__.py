"""Decoding of pictures, colour management and colour spaces."""
