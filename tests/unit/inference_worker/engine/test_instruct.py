"""EDITING in the engine: equal to diffusers' pixels, with unmasked pixels kept."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxImg2ImgPipeline, FluxInpaintPipeline, FluxKontextPipeline, FluxPipeline
from PIL import Image, ImageChops

from inference_worker.engine.model_engine import ModelEngine
from inference_worker.settings import InferenceSettings
from shared.cancellation import NEVER, Cancelled
from shared.contracts.editing import EditingConfig, EditingInputs
from shared.errors import InvalidInputError
from shared.flux.engine import ignore_step
from shared.settings import ModelSettings
from tests.fixtures.tiny_flux import save_tiny_kontext

_SETTINGS = InferenceSettings(torch_threads=1)
_MODEL = ModelSettings(max_px=128, native_px=64, default_steps=8)


@pytest.fixture(scope="module")
def kontext_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_kontext(tmp_path_factory.mktemp("tiny_kontext"), seed=4)


@pytest.fixture(scope="module")
def painter(tiny_flux_folder: Path) -> ModelEngine:
    """An engine without an editing model, which edits by strength."""
    return ModelEngine.load(str(tiny_flux_folder), _SETTINGS, _MODEL)


@pytest.fixture(scope="module")
def editor(tiny_flux_folder: Path, kontext_folder: Path) -> ModelEngine:
    return ModelEngine.load(
        str(tiny_flux_folder), _SETTINGS, _MODEL, editor_source=str(kontext_folder)
    )


@pytest.fixture
def square(photo: Image.Image) -> Image.Image:
    return photo.resize((64, 64))


def _inputs(**config: Any) -> EditingInputs:
    return EditingInputs(
        prompt="a red dress",
        base_image="uploads/a.png",
        width=64,
        height=64,
        seed=5,
        config=EditingConfig(num_inference_steps=4, **config),
    )


def _instruct(
    engine: ModelEngine,
    base: Image.Image,
    references: list[Image.Image] | None = None,
    inputs: EditingInputs | None = None,
) -> list[Image.Image]:
    return engine.instruct(
        inputs or _inputs(), base, references or [], on_step=ignore_step, cancel=NEVER
    )


def _theirs(pipeline: Any, **options: Any) -> Image.Image:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        prompt="a red dress",
        width=64,
        height=64,
        num_inference_steps=4,
        guidance_scale=_SETTINGS.guidance_scale,
        max_sequence_length=24,
        generator=torch.Generator().manual_seed(5),
        **options,
    ).images[0]


def _difference(one: Image.Image, other: Image.Image) -> int:
    return int(np.asarray(ImageChops.difference(one, other)).max())


def test_kontext_is_diffusers_own(
    editor: ModelEngine, kontext_folder: Path, square: Image.Image
) -> None:
    (ours,) = _instruct(editor, square)
    pipeline = FluxKontextPipeline.from_pretrained(kontext_folder)
    theirs = _theirs(pipeline, image=square, max_area=64 * 64, _auto_resize=False)
    assert _difference(ours, theirs) == 0


def test_references_change_what_kontext_makes(editor: ModelEngine, square: Image.Image) -> None:
    red, blue = (Image.new("RGB", (90, 60), colour) for colour in ("red", "blue"))
    (alone,) = _instruct(editor, square)
    (with_red,) = _instruct(editor, square, [red])
    (with_both,) = _instruct(editor, square, [red, blue])
    (turned,) = _instruct(editor, square, [blue, red])
    assert _difference(alone, with_red) > 0
    assert _difference(with_red, with_both) > 0
    assert _difference(with_both, turned) > 0
    assert _difference(with_both, _instruct(editor, square, [red, blue])[0]) == 0


def test_kontext_paints_within_the_mask_alone(editor: ModelEngine, square: Image.Image) -> None:
    base = square.convert("RGBA")
    base.putalpha(_right_half_transparent())
    (edited,) = _instruct(editor, base)
    assert _difference(edited.crop((0, 0, 32, 64)), square.crop((0, 0, 32, 64))) == 0
    assert _difference(edited.crop((32, 0, 64, 64)), square.crop((32, 0, 64, 64))) > 0


def test_resizing_does_not_leak_across_the_mask(editor: ModelEngine, photo: Image.Image) -> None:
    base = photo.resize((101, 101)).convert("RGBA")
    alpha = Image.new("L", base.size, 255)
    alpha.paste(0, (60, 0, 101, 101))
    base.putalpha(alpha)
    (edited,) = _instruct(editor, base)
    kept = photo.resize((101, 101)).resize((64, 64), Image.Resampling.LANCZOS)
    outside = (0, 0, 36, 64)  # the hole begins at 38
    assert _difference(edited.crop(outside), kept.crop(outside)) == 0


def test_without_an_editor_editing_uses_image_to_image(
    painter: ModelEngine, tiny_flux_folder: Path, square: Image.Image
) -> None:
    (ours,) = _instruct(painter, square, inputs=_inputs(strength=0.5))
    parts = FluxPipeline.from_pretrained(tiny_flux_folder).components
    theirs = _theirs(FluxImg2ImgPipeline(**parts), image=square, strength=0.5)
    assert _difference(ours, theirs) == 0


def test_mask_is_diffusers_inpainting_within(
    painter: ModelEngine, tiny_flux_folder: Path, square: Image.Image
) -> None:
    base = square.convert("RGBA")
    alpha = _right_half_transparent()
    base.putalpha(alpha)
    (ours,) = _instruct(painter, base, inputs=_inputs(strength=0.75))
    parts = FluxPipeline.from_pretrained(tiny_flux_folder).components
    theirs = _theirs(
        FluxInpaintPipeline(**parts),
        image=square,
        mask_image=ImageChops.invert(alpha),
        strength=0.75,
    )
    right = (32, 0, 64, 64)
    assert _difference(ours.crop(right), theirs.crop(right)) == 0
    assert _difference(ours.crop((0, 0, 32, 64)), square.crop((0, 0, 32, 64))) == 0


def test_strength_without_a_step_returns_the_picture(
    painter: ModelEngine, square: Image.Image
) -> None:
    first, second = _instruct(painter, square, inputs=_inputs(strength=0, num_images=2))
    assert _difference(first, square) == 0
    assert _difference(second, square) == 0


def test_a_model_without_references_refuses_them(painter: ModelEngine, square: Image.Image) -> None:
    with pytest.raises(InvalidInputError, match=r"reference_images: has 1; .* takes at most 0"):
        _instruct(painter, square, [square])


def test_more_references_than_kontext_takes_are_refused(
    editor: ModelEngine, square: Image.Image
) -> None:
    with pytest.raises(InvalidInputError, match=r"reference_images: has 4; .* takes at most 3"):
        _instruct(editor, square, [square] * 4)


def test_several_edits_use_the_seeds_that_follow(editor: ModelEngine, square: Image.Image) -> None:
    first, second = _instruct(editor, square, inputs=_inputs(num_images=2))
    (alone,) = _instruct(editor, square, inputs=_inputs().model_copy(update={"seed": 6}))
    assert _difference(first, second) > 0
    assert _difference(second, alone) == 0


def test_cancelled_edit_stops_between_steps(editor: ModelEngine, square: Image.Image) -> None:
    cancel = threading.Event()
    seen: list[int] = []

    def stop_at_second(done: int, steps: int) -> None:
        seen.append(done)
        if done == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        editor.instruct(_inputs(), square, [], on_step=stop_at_second, cancel=cancel)
    assert seen == [1, 2]


def _right_half_transparent() -> Image.Image:
    alpha = Image.new("L", (64, 64), 255)
    alpha.paste(0, (32, 0, 64, 64))
    return alpha
