"""Whether the process runs and its dependencies answer."""
