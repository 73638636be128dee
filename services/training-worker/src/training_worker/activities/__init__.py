"""Activities of the training task queue."""
