"""Properties of the frames of each mode, for any picture, subject and margins."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inference_worker.adjusting.frame import Axis, Layout, is_within_tolerance
from inference_worker.vision.protocols import Box

_SLACK = 1e-6


@st.composite
def axes(draw: st.DrawFn, *, is_free: bool | None = None) -> Axis:
    length = draw(st.integers(1, 4000))
    start = draw(st.integers(0, length - 1))
    end = draw(st.integers(start + 1, length))
    before, after = draw(st.floats(0, 0.49)), draw(st.floats(0, 0.49))
    if draw(st.booleans()) if is_free is None else is_free:
        return Axis(length, start, end)
    return Axis(length, start, end, before, after, is_free=False)


@st.composite
def layouts(draw: st.DrawFn, *, is_free: bool | None = None) -> Layout:
    """Draw layouts; without a margin, the subject is unknown."""
    across, down = draw(axes(is_free=is_free)), draw(axes(is_free=is_free))
    if across.is_free and down.is_free:
        across, down = Axis(across.length), Axis(down.length)
    return Layout(across, down, draw(st.floats(0.1, 10)))


positions = st.sampled_from(["center", "top", "bottom", "left", "right"])


def spans(frame: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    return (frame.left, frame.right), (frame.top, frame.bottom)


def has_ratio(frame: Box, layout: Layout) -> bool:
    ratio = (frame.right - frame.left) / (frame.bottom - frame.top)
    return ratio == pytest.approx(layout.ratio)


def leaves_margins(frame: Box, layout: Layout) -> bool:
    for axis, (start, end) in zip((layout.across, layout.down), spans(frame), strict=True):
        slack = _SLACK * (end - start + axis.length)
        is_left = axis.start - start >= axis.before * (end - start) - slack
        if not axis.is_free and not (
            is_left and end - axis.end >= axis.after * (end - start) - slack
        ):
            return False
    return True


@given(layouts(), positions)
def test_crop_stays_within_the_picture_and_leaves_the_margins(
    layout: Layout, position: str
) -> None:
    frame = layout.crop(position)
    if frame is None:
        return
    assert has_ratio(frame, layout)
    assert leaves_margins(frame, layout)
    for axis, (start, end) in zip((layout.across, layout.down), spans(frame), strict=True):
        assert start >= -_SLACK * axis.length
        assert end <= axis.length * (1 + _SLACK)


@given(layouts(), positions)
def test_crop_keeps_as_much_of_the_subject_as_has_room(layout: Layout, position: str) -> None:
    frame = layout.crop(position)
    if frame is None:
        return
    for axis, (start, end) in zip((layout.across, layout.down), spans(frame), strict=True):
        shown = min(axis.end, end) - max(axis.start, start)
        room = min(end - start, axis.end - axis.start)
        assert shown >= room - _SLACK * axis.length


@given(layouts(is_free=False), st.floats(0.01, 0.99))
def test_crop_fails_only_if_no_frame_fits(layout: Layout, share: float) -> None:
    """A crop exists if any frame of that ratio inside the picture keeps the margins."""
    most = min(layout.down.length, layout.across.length / layout.ratio)
    has_room = [
        max(lowest, 0) + _SLACK <= min(highest, axis.length - extent)
        for axis, extent in (
            (layout.down, most * share),
            (layout.across, most * share * layout.ratio),
        )
        for lowest, highest in [axis.offsets(extent)]
    ]
    assert layout.crop("center") is not None or not all(has_room)


@given(layouts())
def test_pad_keeps_the_whole_picture_and_leaves_the_margins(layout: Layout) -> None:
    frame = layout.pad()
    assert has_ratio(frame, layout)
    assert leaves_margins(frame, layout)
    for axis, (start, end) in zip((layout.across, layout.down), spans(frame), strict=True):
        assert start <= _SLACK * axis.length
        assert end >= axis.length * (1 - _SLACK)


@given(layouts())
def test_pad_adds_no_more_than_it_must(layout: Layout) -> None:
    frame = layout.pad()
    needed = max(layout.down.shortest_around, layout.across.shortest_around / layout.ratio)
    assert frame.bottom - frame.top == pytest.approx(needed)


def holds_subject(frame: Box, layout: Layout) -> bool:
    return all(
        axis.start >= start - _SLACK * axis.length and axis.end <= end + _SLACK * axis.length
        for axis, (start, end) in zip((layout.across, layout.down), spans(frame), strict=True)
    )


@given(layouts())
def test_scale_to_fit_cuts_nothing_off_the_subject(layout: Layout) -> None:
    frame = layout.scale("fit")
    assert holds_subject(frame, layout)
    assert leaves_margins(frame, layout)


@given(layouts(is_free=False))
def test_scale_to_fit_meets_one_pair_of_margins_exactly_and_leaves_the_other(
    layout: Layout,
) -> None:
    frame = layout.scale("fit")
    assert has_ratio(frame, layout)
    assert leaves_margins(frame, layout)
    fills = [
        (axis.end - axis.start) / (end - start) / (1 - axis.before - axis.after)
        for axis, (start, end) in zip((layout.across, layout.down), spans(frame), strict=True)
    ]
    assert max(fills) == pytest.approx(1)


@given(layouts(is_free=False), st.sampled_from(["height", "width"]))
def test_scale_to_one_side_meets_its_margins_exactly(layout: Layout, side: str) -> None:
    frame = layout.scale(side)
    assert has_ratio(frame, layout)
    axis, (start, end) = (
        (layout.down, spans(frame)[1]) if side == "height" else (layout.across, spans(frame)[0])
    )
    assert axis.start - start == pytest.approx(axis.before * (end - start), abs=_SLACK * end)
    assert end - axis.end == pytest.approx(axis.after * (end - start), abs=_SLACK * end)


@given(layouts(), positions, st.floats(0.9, 1.1))
def test_auto_crops_small_differences_and_pads_others(
    layout: Layout, position: str, difference: float
) -> None:
    layout = replace(layout, ratio=layout.across.length / layout.down.length / difference)
    off = abs(layout.across.length / layout.down.length / layout.ratio - 1)
    assume(abs(off - 0.05) > 1e-6)  # at the limit itself, rounding decides
    frame = layout.auto(position)
    assert leaves_margins(frame, layout)
    assert holds_subject(frame, layout)
    cropped = layout.crop(position)
    keeps = off < 0.05 and cropped is not None and holds_subject(cropped, layout)
    assert frame == (cropped if keeps else layout.pad())


@given(st.integers(1, 800).map(lambda side: 20 * side), st.sampled_from([-1, 1]))
def test_five_per_cent_exactly_are_cropped(side: int, sign: int) -> None:
    layout = Layout(Axis(side + sign * side // 20), Axis(side), 1)
    assert layout.auto("center") == layout.crop("center")


def test_cropping_position_decides_what_stays() -> None:
    tall = Layout(Axis(100), Axis(300), 1)
    wide = Layout(Axis(300), Axis(100), 1)
    assert [tall.crop(position) for position in ("top", "center", "bottom", "left")] == [
        (0, 0, 100, 100),
        (0, 100, 100, 200),
        (0, 200, 100, 300),
        (0, 100, 100, 200),
    ]
    assert [wide.crop(position) for position in ("left", "right", "top")] == [
        (0, 0, 100, 100),
        (200, 0, 300, 100),
        (100, 0, 200, 100),
    ]


def test_margins_override_the_cropping_position() -> None:
    low = Axis(300, 220, 280, 0.1, 0.1, is_free=False)
    assert Layout(Axis(100), low, 1).crop("top") == (0, 190, 100, 290)


@pytest.mark.parametrize(("ratio", "does"), [(1 / 1.04, "crop"), (1 / 1.06, "pad"), (1.06, "pad")])
def test_auto_pads_from_five_per_cent_on(ratio: float, does: str) -> None:
    layout = Layout(Axis(1000), Axis(1000), ratio)
    assert layout.auto("center") == (layout.pad() if does == "pad" else layout.crop("center"))


def test_without_a_subject_scale_keeps_the_side_that_it_names() -> None:
    layout = Layout(Axis(200), Axis(100), 1)
    assert layout.scale("height") == (50, 0, 150, 100)
    assert layout.scale("width") == layout.scale("fit") == (0, -50, 200, 150)


def test_scale_centres_a_subject_whose_side_is_free_where_that_pads_nothing() -> None:
    vertical = Axis(100, 20, 80, 0.2, 0.2, is_free=False)
    right = Axis(300, 180, 220)
    assert Layout(right, vertical, 1).scale("height") == pytest.approx((150, 0, 250, 100))
    at_edge = replace(right, start=280, end=300)
    assert Layout(at_edge, vertical, 1).scale("height") == pytest.approx((200, 0, 300, 100))


def test_a_subject_wider_than_its_frame_is_centred() -> None:
    vertical = Axis(100, 40, 60, 0.2, 0.2, is_free=False)
    wide = Axis(300, 100, 200, 0.1, 0.1, is_free=False)
    frame = Layout(wide, vertical, 1).scale("height")
    assert (frame.left + frame.right) / 2 == pytest.approx(150)


@pytest.mark.parametrize(
    "frame",
    [(0, 0, 100, 200), (0, 0, 100, 210), (-5, 0, 95, 200), (0, 5, 100, 195)],
)
def test_tolerance_is_a_share_of_the_pictures_sides(frame: tuple[float, ...]) -> None:
    assert is_within_tolerance(Box(*frame), 100, 200, 0.05)


@pytest.mark.parametrize("frame", [(0, 0, 100, 211), (-6, 0, 94, 200), (0, 11, 100, 211)])
def test_deviation_above_the_tolerance_is_rejected(frame: tuple[float, ...]) -> None:
    assert not is_within_tolerance(Box(*frame), 100, 200, 0.05)
