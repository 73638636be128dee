"""Trainings of LoRAs and full models."""
