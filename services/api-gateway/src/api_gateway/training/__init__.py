"""Trainings of LoRAs and whole models."""
