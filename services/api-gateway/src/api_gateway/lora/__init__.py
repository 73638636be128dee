"""Upload and removal of LoRA files."""
