"""LoRAs on a tiny FLUX: their sum, their memory, and the model restored without them."""

import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from inference_worker.lora.adapters import ModuleAdapters, Weighted
from shared.errors import InvalidInputError, ResourceError
from shared.flux.engine import LoraUse
from tests.fixtures.loras import diffusers_names, random_pairs, saved

pytestmark = pytest.mark.models

_CLIP_LAYERS = ("encoder.layers.0.self_attn.q_proj", "encoder.layers.0.mlp.fc2")


def forward(transformer: Any) -> Tensor:
    """Return the transformer's output for fixed inputs."""
    generator = torch.Generator().manual_seed(9)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    with torch.inference_mode():
        return transformer(
            hidden_states=noise(1, 16, 64),
            timestep=torch.tensor([0.5]),
            guidance=torch.tensor([3.5]),
            pooled_projections=noise(1, 32),
            encoder_hidden_states=noise(1, 8, 32),
            txt_ids=torch.zeros(8, 3),
            img_ids=torch.zeros(16, 3),
            return_dict=False,
        )[0]


def pooled_prompt_embeds(clip: Any) -> Tensor:
    """Return the text encoder's pooled output for a fixed prompt."""
    with torch.inference_mode():
        return clip(torch.arange(16)[None]).pooler_output


def merged(module: Any, uses: Sequence[tuple[dict[str, tuple[Tensor, Tensor]], float]]) -> Any:
    """Return the module with the LoRAs merged into its weights."""
    with torch.no_grad():
        for pairs, weight in uses:
            for name, (down, up) in pairs.items():
                module.get_submodule(name).weight += weight * up @ down
    return module


def of_transformer(tiny: Any, max_bytes: int = 2**20, **options: Any) -> ModuleAdapters:
    """Return adapters for the transformer."""
    part = attrgetter("transformer")
    return ModuleAdapters(tiny.transformer, part, max_bytes=max_bytes, **options)


@pytest.fixture
def adapters(tiny: Any) -> ModuleAdapters:
    return of_transformer(tiny)


@pytest.fixture
def make(tiny: Any, layer_names: tuple[str, ...], tmp_path: Path) -> Callable[..., LoraUse]:
    """Factory of files with pairs for the transformer and, if requested, the text encoder."""

    def make(seed: int, *, weight: float = 1.0, with_clip: bool = False, **options: Any) -> LoraUse:
        tensors = diffusers_names(random_pairs(tiny.transformer, layer_names, seed=seed, **options))
        if with_clip:
            pairs = random_pairs(tiny.text_encoder, _CLIP_LAYERS, seed=seed)
            tensors |= diffusers_names(pairs, "text_encoder.text_model.")
        return saved(tensors, tmp_path, weight=weight)

    return make


def test_sum_of_weighted_loras_equals_merging(
    tiny: Any,
    adapters: ModuleAdapters,
    make: Callable[..., LoraUse],
    layer_names: tuple[str, ...],
) -> None:
    base = forward(tiny.transformer)
    weights = (0.8, -0.5, 1.5, 0.3)
    adapters.activate([make(seed, weight=weight) for seed, weight in enumerate(weights)])
    mixed = forward(tiny.transformer)
    adapters.activate([])
    every = [
        (random_pairs(tiny.transformer, layer_names, seed=seed), weight)
        for seed, weight in enumerate(weights)
    ]
    torch.testing.assert_close(
        mixed, forward(merged(tiny.transformer, every)), atol=1e-5, rtol=1e-4
    )
    assert not torch.allclose(mixed, base, atol=1e-2)


def test_text_encoder_pairs_apply_and_are_reported(tiny: Any, make: Callable[..., LoraUse]) -> None:
    adapters = ModuleAdapters(tiny.text_encoder, attrgetter("clip"), max_bytes=2**20)
    base = pooled_prompt_embeds(tiny.text_encoder)
    with_clip, without = make(1, weight=0.5, with_clip=True), make(2)
    adapters.activate([with_clip, without])
    changed = pooled_prompt_embeds(tiny.text_encoder)
    assert adapters.active == (Weighted(with_clip.sha256, 0.5),)
    adapters.activate([without])
    assert adapters.active == ()
    assert torch.equal(pooled_prompt_embeds(tiny.text_encoder), base)
    pairs = random_pairs(tiny.text_encoder, _CLIP_LAYERS, seed=1)
    torch.testing.assert_close(
        changed, pooled_prompt_embeds(merged(tiny.text_encoder, [(pairs, 0.5)]))
    )
    assert not torch.allclose(changed, base)


def test_weight_zero_and_no_loras_leave_the_model_as_it_was(
    tiny: Any, adapters: ModuleAdapters, make: Callable[..., LoraUse]
) -> None:
    base = forward(tiny.transformer)
    adapters.activate([make(1, weight=0)])
    assert adapters.loaded_bytes == 0
    assert torch.equal(forward(tiny.transformer), base)
    adapters.activate([make(1)])
    assert not torch.equal(forward(tiny.transformer), base)
    adapters.activate([])
    assert torch.equal(forward(tiny.transformer), base)


def test_same_file_twice_acts_with_the_sum_of_its_weights(
    tiny: Any, adapters: ModuleAdapters, make: Callable[..., LoraUse]
) -> None:
    lora = make(1)
    adapters.activate([replace(lora, weight=0.25), replace(lora, weight=0.5)])
    twice = forward(tiny.transformer)
    adapters.activate([replace(lora, weight=0.75)])
    assert torch.equal(forward(tiny.transformer), twice)
    base_again = [replace(lora, weight=0.5), replace(lora, weight=-0.5)]
    adapters.activate(base_again)
    once = forward(tiny.transformer)
    adapters.activate([])
    assert torch.equal(forward(tiny.transformer), once)


def test_six_loras_in_turn_stay_within_the_bound_and_reload_only_what_it_forced_out(
    tiny: Any, make: Callable[..., LoraUse]
) -> None:
    loras = [make(seed) for seed in range(6)]
    one = of_transformer(tiny)
    one.activate(loras[:1])
    size_bytes = one.loaded_bytes
    adapters = of_transformer(tiny, 4 * size_bytes)
    recent: list[str] = []
    num_forced = 0
    with capture_logs() as logs:
        for first, second in ((0, 1), (2, 3), (0, 2), (4, 5), (0, 2), (1, 3), (3, 1), (4, 0)):
            pair = [loras[first], loras[second]]
            num_forced += sum(lora.sha256 not in recent for lora in pair)
            adapters.activate(pair)
            for lora in pair:
                recent = [*(sha256 for sha256 in recent if sha256 != lora.sha256), lora.sha256]
            recent = recent[-4:]
            assert adapters.loaded_bytes <= 4 * size_bytes
    loads = [log for log in logs if log["event"] == "lora_loaded" and log["size_bytes"]]
    assert len(loads) == num_forced == 9


def test_evicted_loras_are_freed(tiny: Any, make: Callable[..., LoraUse]) -> None:
    first, second = make(1), make(2)
    adapters = of_transformer(tiny)
    adapters.activate([first])
    adapters._max_bytes = adapters.loaded_bytes
    pair = next(iter(adapters._loaded[first.sha256].values()))
    freed = weakref.ref(pair.up)
    del pair
    adapters.activate([second])
    gc.collect()
    assert freed() is None


def test_loras_of_one_request_that_exceed_the_bound_are_a_resource_error(
    tiny: Any, make: Callable[..., LoraUse]
) -> None:
    base = forward(tiny.transformer)
    adapters = of_transformer(tiny, 30_000)
    adapters.activate([make(1)])
    with pytest.raises(ResourceError, match="SARTIQ_INFERENCE_LORA_MEMORY_BYTES"):
        adapters.activate([make(1), make(2)])
    assert torch.equal(forward(tiny.transformer), base)


def test_failure_leaves_the_model_as_it_was_and_the_next_request_unharmed(
    tiny: Any, adapters: ModuleAdapters, make: Callable[..., LoraUse], tmp_path: Path
) -> None:
    base, good = forward(tiny.transformer), make(1)
    wide = random_pairs(tiny.transformer, ["single_transformer_blocks.0.proj_out"])
    names = diffusers_names(wide, "transformer.")
    foreign = saved(
        {name.replace("blocks.0", "blocks.20"): tensor for name, tensor in names.items()},
        tmp_path,
        field="product_model_path",
    )
    adapters.activate([good])
    expected = forward(tiny.transformer)
    for _ in range(2):
        with pytest.raises(
            InvalidInputError,
            match=r"product_model_path: .*single_transformer_blocks.20, this model has 1",
        ):
            adapters.activate([good, foreign])
        assert torch.equal(forward(tiny.transformer), base)
    adapters.activate([good])
    assert torch.equal(forward(tiny.transformer), expected)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -10.5])
def test_weight_out_of_bounds_is_named(
    adapters: ModuleAdapters, make: Callable[..., LoraUse], weight: float
) -> None:
    with pytest.raises(InvalidInputError, match=r"subject_lora_weight: .* from -10 to 10"):
        adapters.activate([make(1, weight=weight)])


def test_saved_model_has_no_loras_in_it(
    tiny: Any, adapters: ModuleAdapters, make: Callable[..., LoraUse]
) -> None:
    names = set(tiny.transformer.state_dict())
    adapters.activate([make(1)])
    assert set(tiny.transformer.state_dict()) == names
