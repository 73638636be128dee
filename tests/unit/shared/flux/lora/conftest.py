"""The tiny model, each test's own, and its layers."""

from typing import Any

import pytest

from tests.fixtures.loras import TINY_LAYERS
from tests.fixtures.tiny_flux import build_tiny_flux


@pytest.fixture
def tiny() -> Any:
    """A `FluxPipeline` of 0.4 M random parameters."""
    return build_tiny_flux()


@pytest.fixture
def layer_names() -> tuple[str, ...]:
    """Layers of every kind in the tiny transformer."""
    return TINY_LAYERS
