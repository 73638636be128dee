"""Cut-outs: pixels inside, outside and on the edge of the subject."""

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from inference_worker.background_removal.cut_out import cut_out
from tests.examples import up_to


class _Given:
    """A segmenter that returns a given mask."""

    def __init__(self, mask: NDArray[np.float32]) -> None:
        self.mask = mask
        self.seen: NDArray[np.uint8] | None = None

    def subject_mask(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen = picture
        return self.mask.copy()


def _split(height: int, width: int) -> NDArray[np.float32]:
    """Return a mask with the subject at the left, then a soft edge of eight pixels."""
    ramp = np.clip((width / 2 + 4 - np.arange(width)) / 8, 0, 1)
    return np.tile(ramp.astype(np.float32), (height, 1))


def test_subject_keeps_its_pixels_and_the_background_is_gone(photo: Image.Image) -> None:
    mask = _split(photo.height, photo.width)

    result = np.asarray(cut_out(photo, _Given(mask)))

    assert (result[..., 3] == np.rint(mask * 255)).all()
    opaque, gone = mask == 1, mask == 0
    assert (result[opaque][:, :3] == np.asarray(photo)[opaque]).all()
    assert not result[gone].any()


def test_background_does_not_shine_through_soft_edges() -> None:
    """Red over green, mixed on the edge: the cut-out's edge is pure red."""
    mask = _split(64, 512)
    red, green = np.array([210, 40, 30]), np.array([20, 200, 60])
    mixed = mask[..., None] * red + (1 - mask[..., None]) * green
    picture = Image.fromarray(np.rint(mixed).astype(np.uint8))

    result = np.asarray(cut_out(picture, _Given(mask)))

    is_seen = result[..., 3] > 0
    assert np.abs(result[is_seen][:, :3].astype(int) - red).max() <= 40
    is_mixed = (mask > 0) & (mask < 0.5)
    assert np.abs(np.asarray(picture)[is_mixed].astype(int) - red).max() > 100


def test_transparent_pixels_stay_and_are_segmented_on_white() -> None:
    pixels = np.full((10, 20, 4), (50, 60, 70, 255), np.uint8)
    pixels[:, :5, 3] = 0
    pixels[:, 5:10, 3] = 128
    segmenter = _Given(np.ones((10, 20), np.float32))

    result = np.asarray(cut_out(Image.fromarray(pixels), segmenter))

    assert (result[..., 3] == pixels[..., 3]).all()
    assert segmenter.seen is not None
    assert (segmenter.seen[:, :5] == 255).all()
    assert (result[:, 5:, :3] == (50, 60, 70)).all()


@settings(max_examples=up_to(40))
@given(st.integers(1, 700), st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_any_size_and_mask_keep_size_and_alpha(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.choice([0, 0.3, 0.7, 1], (height, width)).astype(np.float32)
    picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8))

    result = np.asarray(cut_out(picture, _Given(mask)))

    assert (result[..., 3] == np.rint(mask * 255)).all()
    assert (result[mask == 1][:, :3] == np.asarray(picture)[mask == 1]).all()


def test_memory_is_bounded_for_a_picture_with_only_soft_pixels() -> None:
    side = 1000
    picture = Image.effect_noise((side, side), 50).convert("RGB")

    def peak_bytes(soft_columns: int) -> int:
        mask = np.ones((side, side), np.float32)
        mask[:, :soft_columns] = 0.5
        tracemalloc.start()
        try:
            cut_out(picture, _Given(mask))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak_bytes(side) - peak_bytes(1) < 20_000_000
