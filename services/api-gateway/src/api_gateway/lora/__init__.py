"""Upload, listing and deletion of LoRA files."""
