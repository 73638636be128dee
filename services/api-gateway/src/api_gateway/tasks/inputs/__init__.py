"""Inputs of a task that name something else: pictures, objects, LoRAs."""
