"""BACKGROUND_FIX: the palette's colour → what to keep of the picture → the rest moves toward it."""
