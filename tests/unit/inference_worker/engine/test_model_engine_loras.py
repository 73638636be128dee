"""LoRAs in the engine: pixels change with their weights, and the model is restored."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from PIL import Image, ImageChops
from safetensors.torch import load_file

from inference_worker.engine.model_engine import ModelEngine
from inference_worker.engine.model_store import ModelStore
from inference_worker.profiles.plan import PROFILES
from inference_worker.settings import InferenceSettings, ProfileKind
from shared.cancellation import NEVER
from shared.contracts.generation import GenerationConfig, GenerationInputs
from shared.errors import InvalidInputError
from shared.flux.engine import Edit, LoraUse, ignore_step
from shared.flux.pipeline.components import FluxComponents
from shared.settings import ModelSettings
from tests.fixtures.loras import (
    brightness,
    brightness_lora,
    diffusers_names,
    random_pairs,
    saved,
    swatch_engine,
)

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def swatch() -> tuple[ModelEngine, FluxComponents]:
    return swatch_engine()


@pytest.fixture(scope="module")
def engine(swatch: tuple[ModelEngine, FluxComponents]) -> ModelEngine:
    return swatch[0]


@pytest.fixture(scope="module")
def brighter(
    swatch: tuple[ModelEngine, FluxComponents], tmp_path_factory: pytest.TempPathFactory
) -> LoraUse:
    return saved(brightness_lora(*swatch), tmp_path_factory.mktemp("loras"))


def _generate(engine: ModelEngine, loras: Sequence[LoraUse] = (), **fields: Any) -> Image.Image:
    reference = fields.pop("reference", None)
    inputs = GenerationInputs(
        prompt="a red dress",
        width=64,
        height=64,
        seed=5,
        config=GenerationConfig(num_inference_steps=4),
        **fields,
    )
    (picture,) = engine.generate(inputs, reference, loras, on_step=ignore_step, cancel=NEVER)
    return picture


def _are_equal(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(np.asarray(one), np.asarray(other))


def test_weights_move_brightness_monotonically(engine: ModelEngine, brighter: LoraUse) -> None:
    levels = [
        brightness(_generate(engine, [replace(brighter, weight=weight)]))
        for weight in (-1, -0.5, -0.2, 0, 0.2, 0.5, 1)
    ]
    assert min(np.diff(levels)) > 0.2


def test_weight_zero_is_the_base_to_the_last_bit(engine: ModelEngine, brighter: LoraUse) -> None:
    base = _generate(engine)
    _generate(engine, [brighter])
    assert _are_equal(_generate(engine, [replace(brighter, weight=0)]), base)
    assert _are_equal(_generate(engine), base)


@pytest.mark.parametrize("strength", [None, 60])
def test_four_loras_differ_from_three(
    swatch: tuple[ModelEngine, FluxComponents],
    brighter: LoraUse,
    tmp_path: Path,
    strength: float | None,
) -> None:
    engine, parts = swatch
    transformer: Any = parts.transformer
    others = [
        saved(
            diffusers_names(
                random_pairs(transformer, [f"single_transformer_blocks.{seed}.proj_out"], seed=seed)
            ),
            tmp_path,
        )
        for seed in range(3)
    ]
    fields: dict[str, Any] = {}
    if strength is not None:
        reference = Image.new("RGB", (64, 64), "grey")
        fields = {"reference": reference, "reference_image_strength": strength}
    four = _generate(engine, [brighter, *others], **fields)
    assert _are_equal(four, _generate(engine, [brighter, *others], **fields))
    assert not _are_equal(four, _generate(engine, others, **fields))


@pytest.mark.parametrize(
    ("prefix", "layer"),
    [
        ("text_encoder.", "encoder.layers.0.mlp.fc1"),
        ("text_encoder_2.", "encoder.block.0.layer.0.SelfAttention.v"),
    ],
)
def test_prompt_is_encoded_again_with_a_text_encoder_lora(
    swatch: tuple[ModelEngine, FluxComponents], prefix: str, layer: str, tmp_path: Path
) -> None:
    engine, parts = swatch
    encoder = parts.clip if prefix == "text_encoder." else parts.t5
    pairs = random_pairs(encoder, [layer], scale=3)
    lora = saved(diffusers_names(pairs, prefix), tmp_path)
    base = _generate(engine)
    assert not _are_equal(_generate(engine, [lora]), base)
    assert _are_equal(_generate(engine), base)


def test_edit_after_a_generation_has_none_of_its_loras(
    engine: ModelEngine, brighter: LoraUse
) -> None:
    picture = Image.new("RGB", (64, 64), "grey")
    edit = Edit(prompt="a red dress", strength=0.5, num_steps=4, seed=1)
    (before,) = engine.edit([picture], [edit], on_step=ignore_step, cancel=NEVER)
    _generate(engine, [brighter])
    (after,) = engine.edit([picture], [edit], on_step=ignore_step, cancel=NEVER)
    assert _are_equal(before, after)


def test_lora_of_another_model_is_refused_and_the_engine_stays_usable(
    engine: ModelEngine, brighter: LoraUse, tmp_path: Path
) -> None:
    base = _generate(engine)
    pair = (torch.ones(4, 160), torch.ones(160, 4))
    name = "single_transformer_blocks.20.attn.to_q"
    foreign = saved(diffusers_names({name: pair}), tmp_path)
    with pytest.raises(InvalidInputError, match=r"single_transformer_blocks\.20, this .* 3"):
        _generate(engine, [brighter, foreign])
    assert _are_equal(_generate(engine), base)


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_four_loras_are_diffusers_own(tiny_flux_folder: Path, tmp_path: Path) -> None:
    """Equal to PEFT adapters on diffusers' pipeline, up to one level of rounding."""
    pipeline = FluxPipeline.from_pretrained(tiny_flux_folder)
    pipeline.set_progress_bar_config(disable=True)
    names = ["transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.proj_out"]
    loras = [
        replace(
            saved(diffusers_names(random_pairs(pipeline.transformer, names, seed=seed)), tmp_path),
            weight=0.8 - 0.3 * seed,
        )
        for seed in range(4)
    ]
    engine = ModelEngine.load(
        str(tiny_flux_folder), InferenceSettings(torch_threads=1), ModelSettings(max_px=64)
    )
    ours = _generate(engine, loras)
    for lora in loras:
        pipeline.load_lora_weights(lora.path, adapter_name=f"a{lora.sha256[:8]}")
    pipeline.set_adapters(
        [f"a{lora.sha256[:8]}" for lora in loras], [lora.weight for lora in loras]
    )
    theirs = pipeline(
        "a red dress",
        width=64,
        height=64,
        num_inference_steps=4,
        guidance_scale=3.5,
        max_sequence_length=24,
        generator=torch.Generator().manual_seed(5),
    ).images[0]
    assert _greatest_difference(ours, theirs) <= 1
    assert _greatest_difference(ours, _generate(engine)) > 1


@pytest.mark.long
def test_a_compiled_profile_mixes_loras_alike(tiny_flux_folder: Path, tmp_path: Path) -> None:
    settings, model = InferenceSettings(torch_threads=1), ModelSettings(max_px=64)
    plan = replace(PROFILES[ProfileKind.BALANCED], compile_backend="aot_eager")
    engines = [
        ModelEngine(store, store.open(str(tiny_flux_folder)), None, settings, model)
        for store in (ModelStore(settings), ModelStore(settings, plan))
    ]
    transformer = FluxPipeline.from_pretrained(tiny_flux_folder).transformer
    names = ["transformer_blocks.0.attn.to_k", "single_transformer_blocks.0.attn.to_v"]
    first, second = (
        saved(diffusers_names(random_pairs(transformer, names, seed=seed)), tmp_path)
        for seed in (1, 2)
    )
    for loras in ([first], [first, replace(second, weight=-0.5)], [], [second]):
        eager, compiled = (_generate(engine, loras) for engine in engines)
        assert _greatest_difference(eager, compiled) <= 1
    torch.compiler.reset()


def test_huge_lora_leaves_no_residue_in_the_slots(tiny_flux_folder: Path, tmp_path: Path) -> None:
    settings, model = InferenceSettings(torch_threads=1), ModelSettings(max_px=64)
    plan = replace(PROFILES[ProfileKind.BALANCED], compile_backend="eager")
    store = ModelStore(settings, plan)
    engine = ModelEngine(store, store.open(str(tiny_flux_folder)), None, settings, model)
    base = _generate(engine)
    name = "single_transformer_blocks.0.proj_out"
    transformer = FluxPipeline.from_pretrained(tiny_flux_folder).transformer
    pairs = random_pairs(transformer, [name], rank=8)
    huge = {name: (torch.full_like(down, 3e38), up) for name, (down, up) in pairs.items()}
    with pytest.raises(InvalidInputError, match="lower the LoRAs' weights"):
        _generate(engine, [saved(diffusers_names(huge), tmp_path)])
    assert _are_equal(_generate(engine), base)
    torch.compiler.reset()


def test_a_lora_that_is_not_finite_once_scaled_is_refused(
    engine: ModelEngine, brighter: LoraUse, tmp_path: Path
) -> None:
    tensors = load_file(brighter.path)
    tensors["transformer.proj_out.lora_B.weight"] *= 1e9
    endless = saved(tensors | {"transformer.proj_out.alpha": torch.tensor(3e38)}, tmp_path)
    with pytest.raises(InvalidInputError, match=r"subject_model_path: .* not finite"):
        _generate(engine, [endless])


def _greatest_difference(one: Image.Image, other: Image.Image) -> int:
    return int(np.asarray(ImageChops.difference(one, other)).max())
