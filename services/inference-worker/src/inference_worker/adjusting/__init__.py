"""IMAGE_ADJUSTER: the subject's box → a frame over the picture → its pixels. Purely geometric."""
