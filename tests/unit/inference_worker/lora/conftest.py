"""Fresh components of the tiny model for each test, and its LoRAs."""

from typing import Any

import pytest

_LAYERS = (
    "transformer_blocks.0.attn.to_q",
    "transformer_blocks.0.attn.to_k",
    "transformer_blocks.0.attn.to_v",
    "transformer_blocks.0.attn.add_k_proj",
    "transformer_blocks.0.ff.net.0.proj",
    "transformer_blocks.0.norm1.linear",
    "single_transformer_blocks.0.attn.to_v",
    "single_transformer_blocks.0.proj_out",
)


@pytest.fixture
def tiny() -> Any:
    """A `FluxPipeline` of 0.4 M random parameters."""
    from tests.fixtures.tiny_flux import build_tiny_flux  # noqa: PLC0415 — imports torch

    return build_tiny_flux()


@pytest.fixture
def layer_names() -> tuple[str, ...]:
    """Names of layers of every kind in the tiny transformer."""
    return _LAYERS
