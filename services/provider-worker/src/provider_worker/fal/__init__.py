"""fal: any app behind its queue."""
