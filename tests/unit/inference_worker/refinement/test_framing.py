"""Frames of fixed aspect ratios: every picture comes back at its own size, at its own place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference_worker.refinement.framing import frame_of
from inference_worker.refinement.remote_editor import RemoteModel
from shared.contracts.gemini_images import RATIOS, canonical_size

PRO, FLASH = "gemini-3-pro-image", "gemini-2.5-flash-image"
MODELS = st.sampled_from([PRO, FLASH])
SIDES = st.integers(1, 500)


def noise(width: int, height: int) -> Image.Image:
    levels = np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


@settings(deadline=None)
@given(SIDES, SIDES, MODELS)
def test_a_padded_picture_is_cut_out_unchanged(width: int, height: int, model: str) -> None:
    picture = noise(width, height)
    frame = frame_of(picture.size, model)
    padded = frame.pad(picture)
    assert padded.size == frame.size
    assert np.array_equal(frame.cut_out(padded), picture)


@settings(deadline=None)
@given(SIDES, SIDES, MODELS, st.integers(1, 300), st.integers(1, 300))
def test_a_result_of_any_size_comes_back_at_the_pictures_size(
    width: int, height: int, model: str, made_width: int, made_height: int
) -> None:
    frame = frame_of((width, height), model)
    assert frame.cut_out(noise(made_width, made_height)).size == (width, height)


@given(st.integers(1, 8192), st.integers(1, 8192), MODELS)
def test_the_frame_has_the_models_shape_and_the_least_padding(
    width: int, height: int, model: str
) -> None:
    frame = frame_of((width, height), model)
    left, top, right, bottom = frame.box
    assert (right - left, bottom - top) == (width, height)
    assert 0 <= left <= right <= frame.size[0]
    assert 0 <= top <= bottom <= frame.size[1]
    across, down = canonical_size(model, frame.ratio)
    # Within the pixel that a whole number of pixels needs.
    assert abs(frame.size[0] * down - frame.size[1] * across) <= max(across, down)
    assert width in frame.size or height in frame.size


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("model", [PRO, FLASH])
def test_the_models_own_sizes_need_no_padding(model: str, ratio: str) -> None:
    size = canonical_size(model, ratio)
    frame = frame_of(size, model)
    assert (frame.ratio, frame.size) == (ratio, size)


def test_an_enlarged_result_is_the_picture_enlarged() -> None:
    """The picture's part of the frame is brought back, and not the whole frame."""
    picture = Image.new("RGB", (100, 33), "white")
    frame = frame_of(picture.size, PRO)
    padded = Image.new("RGB", frame.size, "black")
    padded.paste(picture, frame.box)
    enlarged = padded.resize((frame.size[0] * 4, frame.size[1] * 4), Image.Resampling.NEAREST)
    assert np.asarray(frame.cut_out(enlarged))[4:-4].min() > 250


@settings(deadline=None)
@given(st.integers(16, 6000), st.integers(16, 6000))
def test_the_chosen_size_is_the_smallest_that_does_not_reduce_the_picture(
    width: int, height: int
) -> None:
    model = RemoteModel(PRO, "4K")
    side_px = model.covering_side((width, height), model.edit_side_px)
    sizes = {1024: "1K", 2048: "2K", 4096: "4K"}
    if side_px < 4096:
        assert model.scale((width, height), sizes[side_px]) == 1
    if side_px > 1024:
        assert model.scale((width, height), sizes[side_px // 2]) < 1


def test_a_model_of_one_size_edits_at_it() -> None:
    model = RemoteModel(FLASH, "1K")
    assert model.covering_side((5000, 5000), model.edit_side_px) == 1024
