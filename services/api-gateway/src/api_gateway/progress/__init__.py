"""What workers announce, on the internal listener."""
