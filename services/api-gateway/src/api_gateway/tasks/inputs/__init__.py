"""Lookup of the images, objects and LoRAs that a task's inputs name."""
