"""Temporal workflows and the bookkeeping activities of the workflow worker."""
