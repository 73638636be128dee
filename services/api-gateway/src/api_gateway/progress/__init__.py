"""Progress reports of workers, on the internal listener."""
