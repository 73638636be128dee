"""The engine: the models, their thread, and an engine without a model."""
