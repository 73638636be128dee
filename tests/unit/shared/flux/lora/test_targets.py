"""Matching of a LoRA to a model, also to one with fused projections."""

from typing import Any

import pytest
import torch

from shared.errors import InvalidInputError
from shared.flux.lora.reading import Pair
from shared.flux.lora.targets import check_fit, find_targets, linear_layers, place

_ATTENTION = "transformer_blocks.0.attn"


def _pair(takes: int = 64, gives: int = 64, rank: int = 4) -> Pair:
    return Pair(torch.randn(rank, takes), torch.randn(gives, rank))


def _check(module: Any, name: str, pair: Pair) -> None:
    check_fit({name: pair}, module, find_targets(linear_layers(module)), "style_model_path")


@pytest.mark.parametrize(
    ("name", "pair", "message"),
    [
        (f"{_ATTENTION}.to_q", _pair(3072), "attn.to_q takes 3072 features, this model's has 64"),
        (f"{_ATTENTION}.to_q", _pair(64, 9), "attn.to_q gives 9 features, this model's has 64"),
        (
            "single_transformer_blocks.20.proj_out",
            _pair(),
            "changes single_transformer_blocks.20, this model has 1",
        ),
        ("joint_blocks.0.x", _pair(), "changes joint_blocks.0.x, which this model does not have"),
        (f"{_ATTENTION}.norm_q", _pair(), f"changes {_ATTENTION}.norm_q, which is no linear"),
    ],
)
def test_unsupported_layers_are_named(tiny: Any, name: str, pair: Pair, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        _check(tiny.transformer, name, pair)
    assert str(caught.value).startswith("style_model_path: made for another model: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("root", ["", "text_model."])
def test_clip_is_known_by_its_old_and_new_names(tiny: Any, root: str) -> None:
    _check(tiny.text_encoder, f"{root}encoder.layers.0.mlp.fc1", _pair(32, 64))


def test_fused_projections_get_the_sum_of_their_parts(tiny: Any) -> None:
    transformer = tiny.transformer
    pairs = {f"{_ATTENTION}.to_{part}": _pair(rank=rank) for part, rank in (("v", 2), ("q", 4))}
    pairs[f"{_ATTENTION}.add_k_proj"] = _pair()
    transformer.fuse_qkv_projections()
    layers = linear_layers(transformer)
    targets = find_targets(layers)
    placed = place(check_fit(pairs, transformer, targets, "a"), targets, layers)
    assert placed.keys() == {f"{_ATTENTION}.to_qkv", f"{_ATTENTION}.to_added_qkv"}
    fused = placed[f"{_ATTENTION}.to_qkv"]
    q, v = (pairs[f"{_ATTENTION}.to_{part}"] for part in "qv")
    expected = torch.cat([q.up @ q.down, torch.zeros(64, 64), v.up @ v.down])
    torch.testing.assert_close(fused.up @ fused.down, expected)
    assert fused.rank == 6
