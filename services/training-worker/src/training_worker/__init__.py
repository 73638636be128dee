"""The training worker: LoRA training, and the recipe of the small swatch model."""
