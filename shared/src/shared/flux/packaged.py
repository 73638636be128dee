"""The small models that ship with this package."""

from importlib import resources
from pathlib import Path

SWATCH = "swatch"
"""Text to image: the default of every worker."""

SWATCH_KONTEXT = "swatch-kontext"
"""The same model, fine-tuned to edit by instruction."""


def packaged_model(name: str = SWATCH) -> Path:
    """Return the folder of a packaged model, in diffusers format."""
    return Path(str(resources.files("shared.flux"))) / "models" / name
