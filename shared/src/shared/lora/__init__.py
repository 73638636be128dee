"""LoRA files: names, and inspection without loading them."""
