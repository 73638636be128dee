"""The result: a LoRA file with metadata, read back and checked."""
