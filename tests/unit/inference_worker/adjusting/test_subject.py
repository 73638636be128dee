"""The box around the subject."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference_worker.adjusting.subject import mask_box, subject_box
from tests.fixtures.segmenters import ColourSegmenter


def mask_with(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros(size[::-1], bool)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = True
    return mask


@given(st.data())
def test_the_box_is_exact_at_any_size(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 3000)), data.draw(st.integers(1, 700))
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
    box = (left, top, right, bottom)
    assert mask_box(mask_with((width, height), box)) == box


def test_specks_are_ignored() -> None:
    mask = mask_with((900, 1200), (300, 200, 600, 1100), (3, 5, 9, 12), (880, 1190, 890, 1199))
    assert mask_box(mask) == (300, 200, 600, 1100)


def test_large_parts_beside_each_other_are_one_subject() -> None:
    mask = mask_with((900, 1200), (100, 200, 300, 600), (500, 100, 700, 400))
    assert mask_box(mask) == (100, 100, 700, 600)


def test_empty_mask_has_no_box() -> None:
    assert mask_box(mask_with((30, 20))) is None


def test_a_cutouts_subject_is_its_opaque_part() -> None:
    cutout = Image.new("RGBA", (40, 30), (9, 9, 9, 100))
    cutout.paste((9, 9, 9, 200), (5, 6, 25, 28))
    assert subject_box(cutout, ColourSegmenter) == (5, 6, 25, 28)


def test_other_pictures_are_segmented() -> None:
    picture = Image.new("RGB", (40, 30), "white")
    picture.paste("red", (5, 6, 25, 28))
    assert subject_box(picture, ColourSegmenter) == (5, 6, 25, 28)
