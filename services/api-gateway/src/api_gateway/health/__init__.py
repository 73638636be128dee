"""Health probes of the process and its dependencies."""
