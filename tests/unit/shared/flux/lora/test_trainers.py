"""Every trainer's files, complete and partial, with alphas in every place."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders import single_file_utils
from torch import Tensor

from shared.flux.lora.reading import read_lora
from shared.flux.lora.targets import check_fit, find_targets, linear_layers
from shared.lora.flux_names import find_layer_slices
from shared.lora.inspection import inspect_lora
from tests.fixtures.loras import saved
from tests.fixtures.trainers import TRAINERS, Deltas, Layer, Trainer, original_layers

_RANK = 4


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread: for small matrices, starting a second one takes longer."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


Alphas = Callable[[Trainer, list[Layer]], tuple[dict[str, Tensor], dict[str, str]]]
"""Tensors and metadata with alpha 2, half of the rank."""


def _nowhere(_trainer: Trainer, _layers: list[Layer]) -> tuple[dict[str, Tensor], dict[str, str]]:
    return {}, {}


def _beside(_trainer: Trainer, layers: list[Layer]) -> tuple[dict[str, Tensor], dict[str, str]]:
    return {f"{layer.key}.alpha": torch.tensor(2.0) for layer in layers}, {}


def _kohyas(_trainer: Trainer, _layers: list[Layer]) -> tuple[dict[str, Tensor], dict[str, str]]:
    return {}, {"ss_network_alpha": "2.0", "ss_network_dim": "4"}


def _plain(_trainer: Trainer, _layers: list[Layer]) -> tuple[dict[str, Tensor], dict[str, str]]:
    return {}, {"lora_alpha": "2", "rank": "4"}


def _configured(
    _trainer: Trainer, _layers: list[Layer]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    return {}, {"lora_adapter_metadata": json.dumps({"r": 4, "lora_alpha": 2})}


def _by_name(_trainer: Trainer, layers: list[Layer]) -> tuple[dict[str, Tensor], dict[str, str]]:
    names = {layer.key.removeprefix("base_model.model."): 2 for layer in layers}
    names = {name.partition(".")[2] or name: alpha for name, alpha in names.items()}
    config = {"r": 4, "lora_alpha": 9, "alpha_pattern": names}
    return {}, {"lora_adapter_metadata": json.dumps(config)}


_ALPHAS: list[tuple[Alphas, float]] = [
    (_nowhere, 1),
    (_beside, 0.5),
    (_kohyas, 0.5),
    (_plain, 0.5),
    (_configured, 0.5),
    (_by_name, 0.5),
]


def _read(tensors: dict[str, Tensor], notes: dict[str, str], folder: Path) -> Deltas:
    lora = saved(tensors, folder, metadata=notes)
    inspect_lora(lora.path)
    parts = read_lora(lora)
    found = {"transformer": parts.transformer, "text_encoder": parts.clip}
    found["text_encoder_2"] = parts.t5
    return {
        f"{part}/{name}": pair.up @ pair.down
        for part, pairs in found.items()
        for name, pair in pairs.items()
    }


def _assert_same(found: Deltas, expected: Deltas) -> None:
    assert found.keys() == expected.keys()
    for name, delta in expected.items():
        torch.testing.assert_close(found[name], delta, msg=name)


@pytest.mark.parametrize(("alphas", "scale"), _ALPHAS)
@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)
def test_whole_files_and_parts_of_them(
    trainer: Trainer, alphas: Alphas, scale: float, tmp_path: Path
) -> None:
    every = list(trainer.layers)
    for layers in (every, every[1::3]):
        tensors = trainer.tensors(layers, _RANK)
        beside, notes = alphas(trainer, layers)
        expected = trainer.deltas(tensors, scale)
        _assert_same(_read(tensors | beside, notes, tmp_path), expected)


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)
def test_every_layer_alone(trainer: Trainer, tmp_path: Path) -> None:
    for layer in trainer.layers:
        tensors = trainer.tensors([layer])
        _assert_same(_read(tensors, {}, tmp_path), trainer.deltas(tensors))


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda trainer: trainer.name)
def test_they_fit_the_model(trainer: Trainer, tiny: Any, tmp_path: Path) -> None:
    parts = read_lora(saved(trainer.tensors(trainer.layers), tmp_path))
    for module, pairs in (
        (tiny.transformer, parts.transformer),
        (tiny.text_encoder, parts.clip),
        (tiny.text_encoder_2, parts.t5),
    ):
        check_fit(pairs, module, find_targets(linear_layers(module)), "a")


def test_ranks_of_split_projections_stay_their_own(tmp_path: Path) -> None:
    """kohya's `split_qkv` writes three pairs of rank 4 as one of 12; slots are counted in ranks."""
    up = torch.zeros(192, 12)
    for part in range(3):
        up[64 * part : 64 * part + 64, 4 * part : 4 * part + 4] = torch.randn(64, 4)
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    tensors = {f"{name}.lora_down.weight": torch.randn(12, 64), f"{name}.lora_up.weight": up}
    pairs = read_lora(saved(tensors, tmp_path)).transformer
    assert [pair.rank for pair in pairs.values()] == [4, 4, 4]


def test_rows_go_where_diffusers_own_converter_puts_a_models() -> None:
    """At FLUX.1's own sizes, each row of each matrix marked by a number."""
    wide = 3072
    sizes = {64: wide, 256: 4 * wide, 128: 2 * wide, 192: 3 * wide, 384: 6 * wide, 448: 7 * wide}
    marked: Deltas = {}
    shapes: dict[str, tuple[int, int]] = {}
    for index, layer in enumerate(original_layers()):
        rows = 64 if layer.key == "final_layer.linear" else sizes[layer.gives]
        takes = 5 * wide if layer.takes == 320 else wide
        shapes[layer.key] = (takes, rows)
        marked[layer.key] = (torch.arange(rows) + index * 100_000)[:, None]
    checkpoint = {f"{name}.{kind}": rows for name, rows in marked.items() for kind in _KINDS}
    for block in ("double_blocks.0.img_attn", "double_blocks.0.txt_attn", "single_blocks.0"):
        for norm in ("query_norm", "key_norm"):
            checkpoint[f"{block}.norm.{norm}.scale"] = torch.zeros(1)
    converted = single_file_utils.convert_flux_transformer_checkpoint_to_diffusers(checkpoint)
    for name, rows in marked.items():
        places = find_layer_slices(f"diffusion_model.{name}", *shapes[name])
        assert places is not None
        for place in places:
            own = torch.cat([rows[first:last] for first, last in place.rows])
            assert torch.equal(own, converted.pop(f"{place.layer}.weight"))
    assert not [name for name in converted if name.endswith(".weight") and "norm_" not in name]


_KINDS = ("weight", "bias")
