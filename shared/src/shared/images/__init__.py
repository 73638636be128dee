"""Which pictures are let in."""
