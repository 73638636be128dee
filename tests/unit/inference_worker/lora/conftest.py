"""Fresh components of the tiny model for each test, and its LoRAs."""

from typing import Any

import pytest


@pytest.fixture
def tiny() -> Any:
    """A `FluxPipeline` of 0.4 M random parameters."""
    from tests.fixtures.tiny_flux import build_tiny_flux  # noqa: PLC0415 — imports torch

    return build_tiny_flux()


@pytest.fixture
def layer_names() -> tuple[str, ...]:
    """Layers of every kind in the tiny transformer."""
    from tests.fixtures.loras import TINY_LAYERS  # noqa: PLC0415 — imports torch

    return TINY_LAYERS
