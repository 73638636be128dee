"""Execution plans: speed and memory of a model, by profile and hardware."""
