"""Packing, positions and scaling of latents."""

from types import SimpleNamespace

import pytest
import torch

from shared.flux.pipeline.latents import (
    pack,
    position_ids,
    scale_latents,
    unpack,
    unscale_latents,
)

pytestmark = pytest.mark.models


def test_packing_puts_each_patch_into_one_token() -> None:
    latents = torch.arange(2 * 4 * 4).view(1, 2, 4, 4)
    tokens = pack(latents)
    assert tokens.shape == (1, 4, 8)
    assert tokens[0, 1].tolist() == [2, 3, 6, 7, 18, 19, 22, 23]


def test_unpacking_undoes_packing() -> None:
    latents = torch.arange(3 * 2 * 6 * 4).view(3, 2, 6, 4)
    assert torch.equal(unpack(pack(latents), 6, 4), latents)


def test_positions_count_rows_then_columns() -> None:
    assert position_ids(4, 4).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]


def test_context_pictures_are_told_apart_by_the_first_axis() -> None:
    assert position_ids(2, 4, picture=2).tolist() == [[2, 0, 0], [2, 0, 1]]


def test_scaling_is_undone() -> None:
    vae = SimpleNamespace(config=SimpleNamespace(shift_factor=0.5, scaling_factor=4.0))
    latents = torch.tensor([0.25, 0.5, 1.0])
    assert scale_latents(vae, latents).tolist() == [-1, 0, 2]
    assert torch.equal(unscale_latents(vae, scale_latents(vae, latents)), latents)
