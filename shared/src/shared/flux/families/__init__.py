"""Families of models, each with what the engine needs to know. A new family is a new file."""
