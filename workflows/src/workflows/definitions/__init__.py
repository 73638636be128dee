"""The deterministic workflow definitions, and the modules that they share."""
