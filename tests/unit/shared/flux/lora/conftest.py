"""The tiny model, each test's own."""

from typing import Any

import pytest

from tests.fixtures.tiny_flux import build_tiny_flux


@pytest.fixture
def tiny() -> Any:
    """A `FluxPipeline` of 0.4 M random parameters."""
    return build_tiny_flux()
