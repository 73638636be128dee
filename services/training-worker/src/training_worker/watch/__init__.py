"""Side concerns of a run: samples, held-out loss, alarms, curves, log, progress."""
