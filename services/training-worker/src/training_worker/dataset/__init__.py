"""The training's dataset on this machine: archive, cached latents and text, order."""
