"""Slots of a compiled transformer: swapped without recompiling, equal to adding each LoRA."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
from torch._dynamo.utils import counters

from inference_worker.lora.adapters import ModuleAdapters
from inference_worker.lora.mixing import SlotPlan
from shared.errors import InvalidInputError
from shared.flux.engine import LoraUse
from tests.fixtures.loras import diffusers_names, random_pairs, saved
from tests.fixtures.tiny_flux import build_tiny_flux
from tests.unit.inference_worker.lora.test_adapters import forward, of_transformer

pytestmark = pytest.mark.models

_PLAN = SlotPlan(num_slots=4, target_rank=8)


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def _adapters(pipeline: Any, plan: SlotPlan | None = None) -> ModuleAdapters:
    return of_transformer(pipeline, 2**24, slots=plan)


def _loras(tiny: Any, names: tuple[str, ...], folder: Path) -> list[LoraUse]:
    """Return four LoRAs of different ranks, each without one of the layers."""
    return [
        saved(
            diffusers_names(
                random_pairs(
                    tiny.transformer,
                    [name for name in names if name != names[index]],
                    rank=2 * index + 2,
                    seed=index,
                )
            ),
            folder,
        )
        for index in range(4)
    ]


@pytest.mark.long
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("is_fused", [False, True])
def test_swaps_do_not_recompile_and_equal_adapters(
    tiny: Any, layer_names: tuple[str, ...], tmp_path: Path, *, is_fused: bool
) -> None:
    loras = _loras(tiny, layer_names, tmp_path)
    plain = build_tiny_flux()
    reference = _adapters(plain)
    base = forward(plain.transformer)
    if is_fused:
        tiny.transformer.fuse_qkv_projections()
    adapters = _adapters(tiny, _PLAN)
    tiny.transformer.compile_repeated_blocks(backend="eager", fullgraph=True)
    tolerance: dict[str, float] = {"atol": 1e-5, "rtol": 1e-4}
    torch.testing.assert_close(forward(tiny.transformer), base, **tolerance)
    num_graphs = counters["stats"]["unique_graphs"]
    assert num_graphs >= 2

    for swap in range(24):
        chosen = [
            replace(lora, weight=0.2 * (swap % 5) - 0.3 + 0.1 * index)
            for index, lora in enumerate(loras)
            if (swap >> index) % 2
        ]
        adapters.activate(chosen)
        reference.activate(chosen)
        torch.testing.assert_close(
            forward(tiny.transformer), forward(plain.transformer), **tolerance
        )
    assert counters["stats"]["unique_graphs"] == num_graphs
    assert not counters["recompiles"]

    adapters.activate([])
    torch.testing.assert_close(forward(tiny.transformer), base, **tolerance)


def test_empty_slots_change_no_bit(tiny: Any) -> None:
    base = forward(tiny.transformer)
    _adapters(tiny, _PLAN)
    assert torch.equal(forward(tiny.transformer), base)


def test_slots_are_counted_and_no_part_of_the_saved_model(tiny: Any) -> None:
    names = set(tiny.transformer.state_dict())
    plan = SlotPlan(num_slots=2, target_rank=3, layers=r"single_.*\.proj_out")
    transformer = of_transformer(tiny, 1, slots=plan)
    layer = tiny.transformer.single_transformer_blocks[0].proj_out
    assert transformer.slot_bytes == 6 * (layer.in_features + layer.out_features) * 4
    assert set(tiny.transformer.state_dict()) == names


def test_rank_above_the_slots_is_named(
    tiny: Any, layer_names: tuple[str, ...], tmp_path: Path
) -> None:
    pairs = random_pairs(tiny.transformer, layer_names[:1], rank=9)
    lora = saved(diffusers_names(pairs), tmp_path)
    with pytest.raises(
        InvalidInputError, match=rf"subject_model_path: has rank 9 at {layer_names[0]}; .* rank 8"
    ):
        _adapters(tiny, _PLAN).activate([lora])


def test_layer_without_slots_is_named(
    tiny: Any, layer_names: tuple[str, ...], tmp_path: Path
) -> None:
    lora = saved(diffusers_names(random_pairs(tiny.transformer, layer_names[:1])), tmp_path)
    adapters = _adapters(tiny, replace(_PLAN, layers=r".*\.proj_out"))
    with pytest.raises(InvalidInputError, match=f"changes {layer_names[0]}, for which this worker"):
        adapters.activate([lora])


def test_more_loras_than_slots_are_refused(
    tiny: Any, layer_names: tuple[str, ...], tmp_path: Path
) -> None:
    base = forward(tiny.transformer)
    adapters = _adapters(tiny, replace(_PLAN, num_slots=3))
    with pytest.raises(InvalidInputError, match="4 LoRAs at once; this worker mixes up to 3"):
        adapters.activate(_loras(tiny, layer_names, tmp_path))
    assert torch.equal(forward(tiny.transformer), base)
