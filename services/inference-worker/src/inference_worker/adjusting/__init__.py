"""IMAGE_ADJUSTER, purely geometric: find the subject's box, place a frame, render its pixels."""
