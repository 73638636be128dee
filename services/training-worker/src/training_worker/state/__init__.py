"""Resume states: written often, complete, read after any loss of the worker."""
