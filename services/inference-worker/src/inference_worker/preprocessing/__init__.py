"""Training pictures: checked, deduplicated, transformed, captioned, bucketed and packed."""
