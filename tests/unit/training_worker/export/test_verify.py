"""The check of a written file, and the same picture from all that read it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxPipeline
from PIL import Image, ImageChops

from inference_worker.engine.model_engine import ModelEngine
from shared.cancellation import NEVER
from shared.contracts.generation import GenerationConfig, GenerationInputs
from shared.flux.engine import LoraUse, ignore_step
from shared.flux.packaged import packaged_model
from tests.fixtures.loras import swatch_engine
from tests.fixtures.small_trainer import SmallModel
from training_worker.export.lora_file import WrittenFile, write_lora
from training_worker.export.reading_back import ExportError, check_file
from training_worker.export.verify import verify_lora
from training_worker.watch.sample_maker import SampleMaker

pytestmark = pytest.mark.models

_PROMPT, _SEED, _STEPS = "a red dress", 5, 4
Write = Callable[[torch.dtype], WrittenFile]


@pytest.fixture(scope="module")
def engine() -> ModelEngine:
    return swatch_engine()[0]


@pytest.fixture
def write(model: SmallModel, tmp_path: Path) -> Write:
    return lambda dtype: write_lora(
        tmp_path / "zqx.safetensors", model.parameters, lambda _: {"format": "pt"}, dtype=dtype
    )


def _verify(written: WrittenFile, model: SmallModel, **changed: Any) -> Any:
    given: dict[str, Any] = {"prompt": _PROMPT, "side_px": 64, "rank": 4} | changed
    return verify_lora(written.path, model, given.pop("weights", model.parameters), **given)


def _sample(model: SmallModel) -> Image.Image:
    return SampleMaker(model, side_px=64, num_steps=_STEPS).make(_PROMPT, _SEED)


def _generated(engine: ModelEngine, written: WrittenFile, weight: float) -> Image.Image:
    lora = LoraUse("subject_model_path", written.sha256, written.path, weight)
    inputs = GenerationInputs(
        prompt=_PROMPT,
        width=64,
        height=64,
        seed=_SEED,
        config=GenerationConfig(num_inference_steps=_STEPS),
    )
    [picture] = engine.generate(inputs, None, [lora], on_step=ignore_step, cancel=NEVER)
    return picture


def _by_diffusers(path: Path) -> Image.Image:
    pipeline = FluxPipeline.from_pretrained(packaged_model(), dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(path)
    return pipeline(
        _PROMPT,
        width=64,
        height=64,
        num_inference_steps=_STEPS,
        generator=torch.Generator().manual_seed(_SEED),
        max_sequence_length=64,
    ).images[0]


def _most(first: Image.Image, second: Image.Image) -> int:
    return max(high for _, high in ImageChops.difference(first, second).getextrema())


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 0), (torch.bfloat16, 1)])
def test_diffusers_makes_the_sample(
    model: SmallModel, write: Write, dtype: torch.dtype, most: int
) -> None:
    sample = _sample(model)
    with model.scaled(0):
        assert _most(_sample(model), sample) > 8  # the adapter shows

    assert _most(_by_diffusers(write(dtype).path), sample) <= most


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_generation_makes_the_sample(
    model: SmallModel, engine: ModelEngine, write: Write, dtype: torch.dtype
) -> None:
    written = write(dtype)

    assert _most(_generated(engine, written, 1), _sample(model)) <= 1
    with model.scaled(0):
        assert _most(_generated(engine, written, 0), _sample(model)) == 0
    with model.scaled(0.5):
        assert _most(_generated(engine, written, 0.5), _sample(model)) <= 1


def test_alpha_is_honoured(engine: ModelEngine, tmp_path: Path) -> None:
    model = SmallModel(rank=4, alpha=2)
    model.draw(3, scale=0.1)
    path = tmp_path / "a.safetensors"
    written = write_lora(path, model.parameters, lambda _: {}, scale=2 / 4)
    unscaled = write_lora(tmp_path / "b.safetensors", model.parameters, lambda _: {})

    sample = _sample(model)
    assert _most(_generated(engine, written, 1), sample) <= 1
    assert _most(_by_diffusers(path), sample) <= 1
    assert _most(_generated(engine, unscaled, 1), sample) > 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_good_file_passes(model: SmallModel, write: Write, dtype: torch.dtype) -> None:
    summary = _verify(write(dtype), model, dtype=dtype)

    assert (summary.rank, summary.base_model) == (4, "FLUX.1")
    assert {"attn.to_q", "ff_context.net.2", "proj_mlp", "proj_out"} <= {*summary.target_modules}


def test_layers_that_learnt_nothing_are_allowed(model: SmallModel, tmp_path: Path) -> None:
    weights = {name: tensor.detach().clone() for name, tensor in model.parameters.items()}
    weights[f"{model.targets[0]}.lora_B.weight"].zero_()
    weights[f"{model.targets[1]}.lora_B.weight"][:, 1] = 0
    written = write_lora(tmp_path / "a", weights, lambda _: {})

    assert check_file(written.path, weights, rank=4, dtype=torch.bfloat16).rank == 4


def test_file_of_other_numbers_is_refused(model: SmallModel, write: Write) -> None:
    written = write(torch.float32)
    other = {name: tensor.detach() * 2 for name, tensor in model.parameters.items()}
    fewer = dict(list(model.parameters.items())[2:])

    with pytest.raises(ExportError, match="other numbers for"):
        _verify(written, model, weights=other, dtype=torch.float32)
    with pytest.raises(ExportError, match=f"differ in the layer {model.targets[0]}"):
        _verify(written, model, weights=fewer, dtype=torch.float32)
    with pytest.raises(ExportError, match="rank 4; rank 8"):
        _verify(written, model, rank=8, dtype=torch.float32)


@pytest.mark.parametrize(("factor", "cause"), [(float("nan"), "NaN"), (0.0, "changes nothing")])
def test_useless_weights_are_refused(
    model: SmallModel, tmp_path: Path, factor: float, cause: str
) -> None:
    weights = {name: tensor.detach() * factor for name, tensor in model.parameters.items()}
    written = write_lora(tmp_path / "a", weights, lambda _: {})

    with pytest.raises(ExportError, match=cause):
        _verify(written, model, weights=weights)


def test_file_without_effect_is_refused(model: SmallModel, tmp_path: Path) -> None:
    weights = {name: tensor.detach() * 1e-20 for name, tensor in model.parameters.items()}
    written = write_lora(tmp_path / "a", weights, lambda _: {})

    with pytest.raises(ExportError, match="does not change the model's pictures"):
        _verify(written, model, weights=weights)


def test_damaged_file_is_refused(model: SmallModel, write: Write, tmp_path: Path) -> None:
    written = write(torch.bfloat16)
    half = tmp_path / "half"
    shutil.copy(written.path, half)
    with half.open("r+b") as file:
        file.truncate(written.size_bytes // 2)

    with pytest.raises(ExportError, match="ends before"):
        check_file(half, model.parameters, rank=4, dtype=torch.bfloat16)
