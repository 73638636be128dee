"""What the monitoring routes answer."""
