"""The adapter for fal: any app behind its queue."""
