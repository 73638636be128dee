"""LoRA files as matrices, and the layers of a model that they change."""
