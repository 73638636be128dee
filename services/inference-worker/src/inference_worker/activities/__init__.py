"""The activities that this worker serves."""
