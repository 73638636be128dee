"""LoRA files: what they are called, and what can be read from them without loading them."""
