"""The apps on fal that are known: their fields, and the values that these may have. Pure."""
