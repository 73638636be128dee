"""Fourth stage: swatch learns to edit by instruction, as FLUX.1 Kontext does."""
