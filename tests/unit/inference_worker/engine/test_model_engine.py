"""The pipeline's blocks on a tiny FLUX: bit-identical to diffusers' pipelines."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxImg2ImgPipeline, FluxPipeline, FluxTransformer2DModel
from PIL import Image, ImageChops

from inference_worker.engine.model_engine import ModelEngine
from inference_worker.profiles.plan import ExecutionPlan
from inference_worker.settings import InferenceSettings
from shared.cancellation import NEVER, Cancelled
from shared.contracts.generation import GenerationConfig, GenerationInputs
from shared.contracts.refinement import RefineInputs
from shared.errors import InvalidInputError, ResourceError
from shared.flux.engine import Edit, ignore_step
from shared.flux.fingerprint import fingerprint
from shared.settings import ModelSettings
from tests.fixtures.tiny_flux import save_tiny_flux

pytestmark = pytest.mark.models

_SETTINGS = InferenceSettings(torch_threads=1, true_cfg_scale=2.5)
_MODEL = ModelSettings(max_px=128, default_steps=8)


@pytest.fixture(scope="module")
def engine(tiny_flux_folder: Path) -> ModelEngine:
    return ModelEngine.load(str(tiny_flux_folder), _SETTINGS, _MODEL)


@pytest.fixture(scope="module")
def pipeline(tiny_flux_folder: Path) -> Any:
    loaded = FluxPipeline.from_pretrained(tiny_flux_folder)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def _inputs(**changes: Any) -> GenerationInputs:
    config = GenerationConfig(num_inference_steps=3, **changes.pop("config", {}))
    fields = {"prompt": "a red dress", "width": 64, "height": 48, "seed": 5} | changes
    return GenerationInputs(**fields, config=config)


def _generate(engine: ModelEngine, inputs: GenerationInputs, **options: Any) -> list[Image.Image]:
    fields = {"reference": None, "loras": [], "on_step": ignore_step, "cancel": NEVER} | options
    return engine.generate(inputs, fields.pop("reference"), fields.pop("loras"), **fields)


def test_engine_reports_the_model_and_parameters_of_a_picture(
    engine: ModelEngine, tiny_flux_folder: Path
) -> None:
    facts = engine.facts(_inputs(config={"negative_prompt": "hats"}))
    assert (facts.engine, facts.model) == ("flux.1", tiny_flux_folder.name)
    assert facts.model_digest == fingerprint(tiny_flux_folder)
    assert (facts.device, facts.dtype) == ("cpu", "float32")
    assert facts.sampler == "FlowMatchEulerDiscreteScheduler"
    assert (facts.steps, facts.guidance) == (3, 3.5)
    assert (facts.profile, facts.plan) == ("quality", ExecutionPlan().pixel_traits)
    assert facts.settings == {"max_text_tokens": 0, "true_cfg_scale": 2.5}
    by_default = engine.facts(GenerationInputs(prompt="", width=64, height=64, seed=0))
    assert by_default.steps == 8
    refined = engine.facts(RefineInputs(base_image_url="a.png", upscale_steps=4))
    assert refined.steps == 4
    assert refined.settings == {"max_text_tokens": 0, "edit_side_px": 128, "edit_batch": 1}


def _theirs(pipeline: Any, **options: Any) -> Image.Image:
    seed = options.pop("seed", 5)
    return pipeline(
        max_sequence_length=24, generator=torch.Generator().manual_seed(seed), **options
    ).images[0]


def _assert_same(ours: Image.Image, theirs: Image.Image) -> None:
    assert ours.size == theirs.size
    assert ImageChops.difference(ours, theirs).getbbox() is None


def test_text_to_image_is_diffusers_own(engine: ModelEngine, pipeline: Any) -> None:
    (ours,) = _generate(engine, _inputs(config={"guidance_scale": 2.0}))
    theirs = _theirs(
        pipeline,
        prompt="a red dress",
        width=64,
        height=48,
        num_inference_steps=3,
        guidance_scale=2.0,
    )
    _assert_same(ours, theirs)


def test_negative_prompt_is_diffusers_true_cfg(engine: ModelEngine, pipeline: Any) -> None:
    (ours,) = _generate(engine, _inputs(config={"negative_prompt": "blurry, low quality"}))
    theirs = _theirs(
        pipeline,
        prompt="a red dress",
        negative_prompt="blurry, low quality",
        true_cfg_scale=2.5,
        width=64,
        height=48,
        num_inference_steps=3,
    )
    _assert_same(ours, theirs)
    (plain,) = _generate(engine, _inputs())
    assert ImageChops.difference(ours, plain).getbbox() is not None


def test_model_without_guidance_embeddings_is_diffusers_own(tmp_path: Path) -> None:
    save_tiny_flux(tmp_path, seed=3, guidance_embeds=False)
    pipeline = FluxPipeline.from_pretrained(tmp_path)
    pipeline.set_progress_bar_config(disable=True)
    engine = ModelEngine.load(str(tmp_path), _SETTINGS, _MODEL)
    (ours,) = _generate(engine, _inputs())
    theirs = _theirs(pipeline, prompt="a red dress", width=64, height=48, num_inference_steps=3)
    _assert_same(ours, theirs)


@pytest.mark.parametrize("strength", [0.35, 0.6, 1.0])
def test_edit_is_diffusers_image_to_image(
    engine: ModelEngine, pipeline: Any, photo: Image.Image, strength: float
) -> None:
    image = photo.resize((64, 48))
    (ours,) = engine.edit(
        [image],
        [Edit("a red dress", strength, num_steps=6, seed=11)],
        on_step=ignore_step,
        cancel=NEVER,
    )
    theirs = _theirs(
        FluxImg2ImgPipeline(**pipeline.components),
        prompt="a red dress",
        image=image,
        width=64,
        height=48,
        strength=strength,
        num_inference_steps=6,
        guidance_scale=_SETTINGS.guidance_scale,
        seed=11,
    )
    _assert_same(ours, theirs)


def test_reference_strength_is_influence(
    engine: ModelEngine, pipeline: Any, photo: Image.Image
) -> None:
    reference = photo.resize((64, 48))
    (ours,) = _generate(engine, _inputs(reference_image_strength=40), reference=reference)
    theirs = _theirs(
        FluxImg2ImgPipeline(**pipeline.components),
        prompt="a red dress",
        image=reference,
        width=64,
        height=48,
        strength=0.6,
        num_inference_steps=3,
        guidance_scale=_SETTINGS.guidance_scale,
    )
    _assert_same(ours, theirs)


def test_full_reference_strength_gives_the_reference(
    engine: ModelEngine, photo: Image.Image
) -> None:
    reference = photo.resize((64, 48))
    pictures = _generate(
        engine,
        _inputs(reference_image_strength=100, config={"num_images": 2}),
        reference=reference,
    )
    assert len(pictures) == 2
    _assert_same(pictures[1], reference)


def test_edit_without_strength_gives_the_picture(engine: ModelEngine, photo: Image.Image) -> None:
    image = photo.resize((64, 48))
    edit = Edit("a red dress", strength=0, num_steps=6, seed=1)
    assert engine.edit([image], [edit], on_step=ignore_step, cancel=NEVER) == [image]


def test_tiles_of_a_batch_are_edited_as_alone(engine: ModelEngine, photo: Image.Image) -> None:
    images = [photo.resize((64, 48)), photo.resize((64, 48)).rotate(180)]
    edits = [Edit("a red dress", strength=0.6, num_steps=6, seed=seed) for seed in (11, 12)]
    heard: list[tuple[int, int]] = []
    both = engine.edit(images, edits, on_step=lambda *step: heard.append(step), cancel=NEVER)
    assert heard == [(step, 4) for step in range(1, 5)]
    for image, edit, together in zip(images, edits, both, strict=True):
        (alone,) = engine.edit([image], [edit], on_step=ignore_step, cancel=NEVER)
        assert np.abs(np.asarray(together, int) - np.asarray(alone, int)).max() <= 1


def test_batch_without_strength_gives_the_pictures(engine: ModelEngine, photo: Image.Image) -> None:
    images = [photo.resize((64, 48))] * 2
    edits = [Edit("a red dress", strength=0, num_steps=6, seed=seed) for seed in (1, 2)]
    assert engine.edit(images, edits, on_step=ignore_step, cancel=NEVER) == images


@pytest.mark.parametrize(
    ("changes", "batch"), [({}, 1), ({"edit_batch": 3}, 3), ({"cache_threshold": 0.1}, 1)]
)
def test_cpu_edits_tile_by_tile_unless_told_otherwise(
    tmp_path: Path, changes: dict[str, Any], batch: int
) -> None:
    save_tiny_flux(tmp_path, seed=3)
    assert (
        ModelEngine.load(str(tmp_path), _SETTINGS.model_copy(update=changes), _MODEL).edit_batch
        == batch
    )


def test_several_images_use_the_seeds_that_follow(engine: ModelEngine) -> None:
    first, second = _generate(engine, _inputs(config={"num_images": 2}))
    (alone,) = _generate(engine, _inputs(seed=6))
    _assert_same(second, alone)
    assert ImageChops.difference(first, second).getbbox() is not None


def test_same_seed_same_pixels_across_loads(engine: ModelEngine, tiny_flux_folder: Path) -> None:
    again = ModelEngine.load(str(tiny_flux_folder), _SETTINGS, _MODEL)
    assert again.model_id == engine.model_id
    _assert_same(_generate(engine, _inputs())[0], _generate(again, _inputs())[0])


def test_sizes_between_multiples_are_exact(engine: ModelEngine) -> None:
    (odd,) = _generate(engine, _inputs(width=50, height=33))
    assert odd.size == (50, 33)
    (whole,) = _generate(engine, _inputs(width=64, height=48))
    _assert_same(odd, whole.crop((7, 7, 57, 40)))


def test_default_steps_are_the_models(engine: ModelEngine) -> None:
    seen: list[tuple[int, int]] = []
    inputs = GenerationInputs(prompt="a", width=16, height=16, seed=0)
    _generate(engine, inputs, on_step=lambda done, steps: seen.append((done, steps)))
    assert seen == [(step, 8) for step in range(1, 9)]


def test_progress_counts_the_steps_of_all_images(engine: ModelEngine) -> None:
    seen: list[tuple[int, int]] = []
    _generate(
        engine,
        _inputs(config={"num_images": 2}),
        on_step=lambda done, steps: seen.append((done, steps)),
    )
    assert seen == [(step, 6) for step in range(1, 7)]


def test_cancel_stops_between_steps(engine: ModelEngine) -> None:
    cancel = threading.Event()
    seen: list[int] = []

    def stop_at_second(done: int, steps: int) -> None:
        seen.append(done)
        if done == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        _generate(engine, _inputs(), on_step=stop_at_second, cancel=cancel)
    assert seen == [1, 2]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"width": 129}, "width: 129 px"),
        ({"height": 0}, "height: 0 px"),
        ({"reference_image_strength": 101}, "reference_image_strength"),
    ],
)
def test_impossible_inputs_name_the_field(
    engine: ModelEngine, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        _generate(engine, _inputs(**changes))


class _Exhausted:
    """A transformer's `forward` that runs out of memory the first times it is called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, num_times: int) -> None:
        self.num_calls = 0
        forward = FluxTransformer2DModel.forward

        def exhausted(module: Any, *args: Any, **fields: Any) -> Any:
            self.num_calls += 1
            if self.num_calls <= num_times:
                raise torch.cuda.OutOfMemoryError("tried to allocate 20 GiB")
            return forward(module, *args, **fields)

        monkeypatch.setattr(FluxTransformer2DModel, "forward", exhausted)


def test_running_out_of_memory_steps_down_and_tries_again(
    tiny_flux_folder: Path, monkeypatch: pytest.MonkeyPatch, engine: ModelEngine
) -> None:
    expected = _generate(engine, _inputs())
    loaded = ModelEngine.load(str(tiny_flux_folder), _SETTINGS, _MODEL)
    _Exhausted(monkeypatch, 1)
    _assert_same(_generate(loaded, _inputs())[0], expected[0])
    assert loaded.model_id != engine.model_id  # from now on, its tiles differ
    assert loaded.facts(_inputs()).plan != engine.facts(_inputs()).plan


@pytest.mark.long
def test_running_out_of_memory_twice_is_a_resource_error(
    tiny_flux_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = ModelEngine.load(str(tiny_flux_folder), _SETTINGS, _MODEL)
    transformer = _Exhausted(monkeypatch, 2)
    with pytest.raises(ResourceError, match="20 GiB"):
        _generate(loaded, _inputs())
    assert transformer.num_calls == 2
    assert _generate(loaded, _inputs())


def test_bfloat16_runs(tiny_flux_folder: Path) -> None:
    settings = InferenceSettings.model_validate({"dtype": "bfloat16", "device": "cpu"})
    engine = ModelEngine.load(str(tiny_flux_folder), settings, _MODEL)
    (picture,) = _generate(engine, _inputs())
    (full,) = _generate(ModelEngine.load(str(tiny_flux_folder), _SETTINGS, _MODEL), _inputs())
    difference = np.abs(np.asarray(picture, np.float32) - np.asarray(full, np.float32))
    assert difference.mean() < 8


def test_model_id_names_what_changes_an_edit(engine: ModelEngine, tiny_flux_folder: Path) -> None:
    for changes in ({"guidance_scale": 1.0}, {"dtype": "bfloat16"}, {"max_text_tokens": 8}):
        settings = InferenceSettings.model_validate(changes)
        other = ModelEngine.load(str(tiny_flux_folder), settings, _MODEL)
        assert other.model_id != engine.model_id


def test_edit_side_follows_the_settings(tiny_flux_folder: Path, engine: ModelEngine) -> None:
    wide = ModelEngine.load(str(tiny_flux_folder), InferenceSettings(edit_px=96), _MODEL)
    assert (wide.edit_side_px, wide.multiple_of) == (96, 16)
    assert engine.edit_side_px == 128
