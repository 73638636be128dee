"""BACKGROUND_REMOVE: cut out the subjects of pictures."""
