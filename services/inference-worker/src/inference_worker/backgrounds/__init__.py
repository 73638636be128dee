"""BACKGROUND_FIX: take the palette's colour, mask the foreground, recolour the background."""
