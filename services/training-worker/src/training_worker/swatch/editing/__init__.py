"""Fourth stage: fine-tuning of swatch to edit by instruction, like FLUX.1 Kontext."""
