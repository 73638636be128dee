"""The adjuster on pictures whose subject is a red box: the effect of each field."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inference_worker.adjusting.adjuster import ImageAdjuster
from inference_worker.adjusting.subject import mask_box
from inference_worker.vision.protocols import Box
from shared.contracts.adjusting import AdjustInputs
from shared.errors import InvalidInputError
from tests.fixtures.segmenters import ColourSegmenter

SUBJECT = (60, 50, 120, 200)
ALL = ("margin_top", "margin_bottom", "margin_left", "margin_right")


def picture_of(
    size: tuple[int, int] = (200, 300), subject: tuple[int, int, int, int] = SUBJECT
) -> Image.Image:
    """Draw a grey gradient from left to right, with the subject in red."""
    width, height = size
    ramp = np.linspace(100, 250, width).astype(np.uint8)
    picture = Image.fromarray(np.repeat(np.tile(ramp, (height, 1))[:, :, None], 3, axis=2))
    picture.paste("red", subject)
    return picture


def adjusted(picture: Image.Image, reference: Image.Image | None = None, **fields: Any) -> Any:
    adjuster = ImageAdjuster(ColourSegmenter, max_output_pixels=4_000_000)
    return adjuster.adjust(picture, reference, AdjustInputs(input_image="a.png", **fields))


def coverage(picture: Image.Image) -> np.ndarray:
    """Return the share of the red subject in each pixel; all else is grey."""
    red, green, _ = np.moveaxis(np.asarray(picture, float), 2, 0)
    return (red - green) / 255


def subject_in(picture: Image.Image) -> Box:
    box = mask_box(coverage(picture) >= 0.5)
    assert box is not None
    return box


def margins_of(picture: Image.Image) -> dict[str, float]:
    """Return the margins in pixels, as floats."""
    covered = coverage(picture)
    columns, rows = covered.max(axis=0), covered.max(axis=1)
    edges = [1 - line[: line.argmax()] for line in (rows, rows[::-1], columns, columns[::-1])]
    return {name: float(edge.sum()) for name, edge in zip(ALL, edges, strict=True)}


@pytest.mark.parametrize("mode", ["auto", "crop", "pad", "scale"])
def test_target_size_is_exact_in_every_mode(mode: str) -> None:
    target = {"target_width": 123, "target_height": 77}
    assert adjusted(picture_of(), mode=mode, **target).size == (123, 77)


@pytest.mark.parametrize(
    ("mode", "size"),
    [("crop", (200, 200)), ("pad", (300, 300)), ("auto", (300, 300)), ("scale", (300, 300))],
)
def test_aspect_ratio_keeps_the_pictures_own_pixels(mode: str, size: tuple[int, int]) -> None:
    result = adjusted(picture_of(), mode=mode, aspect_ratio=1)
    assert result.size == size
    assert subject_in(result)[2:] != subject_in(result)[:2]
    box = subject_in(result)
    assert (box.right - box.left, box.bottom - box.top) == (60, 150)


def test_request_without_changes_returns_the_picture() -> None:
    picture = picture_of()
    assert adjusted(picture) is picture


def test_cropping_position_selects_the_kept_part() -> None:
    subjects = {
        position: subject_in(
            adjusted(picture_of(), mode="crop", aspect_ratio=1, cropping_position=position)
        ).top
        for position in ("top", "center", "bottom")
    }
    assert subjects == {"top": 50, "center": 0, "bottom": 0}


def test_resampling_chooses_the_filter() -> None:
    fields = {"mode": "crop", "target_width": 67, "target_height": 100}
    results = {
        name: adjusted(picture_of(), resampling=name, **fields).tobytes()
        for name in ("nearest", "bilinear", "bicubic", "lanczos")
    }
    assert len(set(results.values())) == 4
    assert adjusted(picture_of(), **fields).tobytes() == results["lanczos"]


@pytest.mark.parametrize(
    ("proportions", "margins"),
    [("height", (10, 10)), ("width", (30, 30)), ("fit", (10, 10))],
)
def test_scaling_proportions_select_the_exact_margins(
    proportions: str, margins: tuple[float, float]
) -> None:
    """Target 100 × 100; subject 60 × 150 with margins of 0.1 above and below, 0.3 beside."""
    result = adjusted(
        picture_of((400, 400), (170, 125, 230, 275)),
        mode="scale",
        scaling_proportions=proportions,
        target_width=100,
        target_height=100,
        margin_top=0.1,
        margin_bottom=0.1,
        margin_left=0.3,
        margin_right=0.3,
    )
    found = margins_of(result)
    if proportions == "width":
        assert (found["margin_left"], found["margin_right"]) == pytest.approx(margins, abs=1)
    else:
        assert (found["margin_top"], found["margin_bottom"]) == pytest.approx(margins, abs=1)


@pytest.mark.parametrize("mode", ["auto", "pad"])
@pytest.mark.parametrize("name", ALL)
def test_each_margin_is_at_least_the_requested_one(mode: str, name: str) -> None:
    """The subject is within ten pixels of each edge; a quarter is requested."""
    picture = picture_of((200, 300), (10, 10, 190, 290))
    result = adjusted(picture, mode=mode, **{name: 0.25})
    length = result.height if name in {"margin_top", "margin_bottom"} else result.width
    assert margins_of(result)[name] >= 0.25 * length - 1
    assert margins_of(adjusted(picture, mode=mode))[name] == 10


@pytest.mark.parametrize("name", ALL)
def test_crop_keeps_each_margin_by_a_smaller_frame(name: str) -> None:
    picture = picture_of((200, 300), (80, 130, 120, 170))
    result = adjusted(
        picture, mode="crop", aspect_ratio=0.5, cropping_position="top", **{name: 0.4}
    )
    length = result.height if name in {"margin_top", "margin_bottom"} else result.width
    assert margins_of(result)[name] >= 0.4 * length - 1


def test_crop_without_space_for_a_margin_names_the_margin() -> None:
    picture = picture_of((200, 300), (10, 10, 190, 290))
    with pytest.raises(InvalidInputError, match=r"^margin_top: .*use mode pad, scale or auto"):
        adjusted(picture, mode="crop", margin_top=0.25)


def test_reference_image_gives_the_margins_of_its_subject() -> None:
    reference = picture_of((100, 100), (30, 20, 60, 90))
    result = adjusted(picture_of(), reference, mode="scale", target_width=400, target_height=400)
    found = margins_of(result)
    assert (found["margin_top"], found["margin_bottom"]) == pytest.approx((80, 40), abs=1)
    assert found["margin_left"] >= 119
    assert found["margin_right"] >= 159


def test_a_given_margin_overrides_the_references() -> None:
    reference = picture_of((100, 100), (30, 20, 60, 90))
    target = {"target_width": 400, "target_height": 400, "scaling_proportions": "height"}
    result = adjusted(picture_of(), reference, mode="scale", margin_top=0.4, **target)
    found = margins_of(result)
    assert (found["margin_top"], found["margin_bottom"]) == pytest.approx((160, 40), abs=1)


@pytest.mark.parametrize(("tolerance", "stays"), [(0, 0), (0.03, 0), (0.05, 1), (1, 1)])
def test_picture_within_the_tolerance_is_returned_unchanged(tolerance: float, stays: int) -> None:
    picture = picture_of((200, 300))
    target = {"target_width": 208, "target_height": 300, "tolerance": tolerance}
    assert (adjusted(picture, **target) is picture) == bool(stays)


@pytest.mark.parametrize(
    "target",
    [
        {"target_width": 100, "target_height": 100, "tolerance": 0.29},
        {"aspect_ratio": 1, "tolerance": 0.29},
    ],
)
def test_tolerance_is_inclusive(target: dict[str, Any]) -> None:
    picture = picture_of((129, 100), (20, 20, 40, 40))
    assert adjusted(picture, **target) is picture


@pytest.mark.parametrize("mode", ["auto", "crop"])
def test_a_margin_at_one_edge_does_not_cut_the_subject_off_at_another(mode: str) -> None:
    picture = picture_of((298, 261), (103, 187, 166, 229))
    result = adjusted(picture, mode=mode, cropping_position="right", margin_bottom=0.34)
    box = subject_in(result)
    assert (box.right - box.left, box.bottom - box.top) == (63, 42)


def test_a_subject_fits_with_its_margins_though_it_is_wide() -> None:
    picture = picture_of((400, 400), (20, 150, 380, 250))
    target = {"target_width": 200, "target_height": 200}
    result = adjusted(picture, mode="scale", margin_top=0.1, margin_bottom=0.1, **target)
    box = subject_in(result)
    assert (box.right - box.left, box.bottom - box.top) == pytest.approx((200, 55), abs=1)


def test_tolerance_accepts_a_margin_that_crop_cannot_keep() -> None:
    picture = picture_of((200, 300), (60, 28, 120, 200))
    assert adjusted(picture, mode="crop", margin_top=0.1, tolerance=0.05) is picture


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"target_width": 9}, "target_width"),
        ({"target_width": 9, "target_height": 9, "aspect_ratio": 1}, "aspect_ratio"),
        ({"aspect_ratio": 1e-9}, "aspect_ratio"),
        ({"margin_top": 0.5, "margin_bottom": 0.5}, "margin_top and margin_bottom"),
        ({"margin_left": 1, "margin_right": 0}, "margin_left and margin_right"),
        ({"mode": "pad", "aspect_ratio": 3000}, "aspect_ratio: .* pixels"),
        ({"target_width": 16_384, "target_height": 16_384}, "target_width"),
        ({"mode": "pad", "margin_top": 0.499_999, "margin_bottom": 0.5}, "margin_top"),
    ],
)
def test_impossible_requests_name_their_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        adjusted(picture_of(), **fields)


def test_margins_of_a_picture_without_a_subject_are_refused() -> None:
    empty = Image.new("RGB", (20, 30), "white")
    with pytest.raises(InvalidInputError, match=r"^input_image: no subject"):
        adjusted(empty, margin_top=0.1)
    with pytest.raises(InvalidInputError, match=r"^reference_image: no subject"):
        adjusted(picture_of(), empty)
    assert adjusted(empty, aspect_ratio=1).size == (30, 30)


def test_cutouts_stay_cutouts() -> None:
    cutout = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    cutout.paste((255, 0, 0, 255), (20, 10, 80, 90))
    adjuster = ImageAdjuster(ColourSegmenter, max_output_pixels=4_000_000)
    inputs = AdjustInputs(
        input_image="a.png", mode="pad", target_width=300, target_height=200, margin_top=0.2
    )
    result = adjuster.adjust(cutout, None, inputs)
    assert (result.mode, result.size) == ("RGBA", (300, 200))
    box = mask_box(np.asarray(result)[:, :, 3] >= 128)
    assert box is not None
    assert box.top >= 39
    assert result.getpixel((0, 0))[3] == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 8000), (8000, 1)])
@pytest.mark.parametrize("mode", ["auto", "crop", "pad", "scale"])
def test_the_thinnest_pictures_are_adjusted(size: tuple[int, int], mode: str) -> None:
    line = Image.new("RGB", size, "red")
    result = adjusted(line, mode=mode, target_width=40, target_height=50)
    assert result.size == (40, 50)
    assert (np.asarray(result)[:, :, 0] == 255).any()


@st.composite
def requests(draw: st.DrawFn) -> tuple[Image.Image, dict[str, Any]]:
    """Draw a picture with a subject of at least 16 pixels, and margins that leave space for it."""
    width, height = draw(st.integers(40, 160)), draw(st.integers(40, 160))
    left, top = draw(st.integers(0, width - 20)), draw(st.integers(0, height - 20))
    right, bottom = draw(st.integers(left + 16, width)), draw(st.integers(top + 16, height))
    picture = picture_of((width, height), (left, top, right, bottom))
    fields: dict[str, Any] = {name: draw(st.floats(0, 0.35)) for name in ALL}
    fields["mode"] = draw(st.sampled_from(["auto", "crop", "pad", "scale"]))
    if draw(st.booleans()):
        fields |= {
            "target_width": draw(st.integers(60, 240)),
            "target_height": draw(st.integers(60, 240)),
        }
    else:
        fields["aspect_ratio"] = draw(st.floats(0.4, 2.5))
    return picture, fields


@given(requests())
def test_size_is_exact_and_margins_are_within_a_pixel(
    request: tuple[Image.Image, dict[str, Any]],
) -> None:
    picture, fields = request
    try:
        result = adjusted(picture, resampling="bilinear", **fields)
    except InvalidInputError:
        assert fields["mode"] == "crop"
        return
    if "target_width" in fields:
        assert result.size == (fields["target_width"], fields["target_height"])
    else:
        width = result.height * fields["aspect_ratio"]
        assert result.width == pytest.approx(width, abs=(1 + fields["aspect_ratio"]) / 2 + 1e-6)
    found = margins_of(result)
    for name in ALL:
        length = result.height if name in {"margin_top", "margin_bottom"} else result.width
        assert found[name] >= fields[name] * length - 1


def test_margins_that_leave_no_pixel_of_the_subject_are_refused() -> None:
    target = {"target_width": 400, "target_height": 400}
    with pytest.raises(InvalidInputError, match=r"margin_left, margin_right: .*less than one"):
        adjusted(picture_of(), mode="scale", margin_left=0.5, margin_right=0.4999, **target)
