"""The IMAGE_ADJUSTER task, from the request's fields to the adjusted picture."""

from collections.abc import Callable

from PIL import Image

from inference_worker.adjusting.frame import ROUNDING, Axis, Layout, clamp, is_within_tolerance
from inference_worker.adjusting.rendering import render
from inference_worker.adjusting.subject import subject_box
from inference_worker.vision.protocols import Box, SubjectSegmenter
from shared.contracts.adjusting import AdjustInputs
from shared.errors import InvalidInputError

_VERTICAL = ("margin_top", "margin_bottom")
_HORIZONTAL = ("margin_left", "margin_right")
_LONGEST_SIDE_PX = 16_384


class ImageAdjuster:
    """Adjustment of pictures to a size, an aspect ratio or margins.

    Args:
        subjects: returns the segmenter; called only if margins are requested.
        max_output_pixels: largest result, width × height.
    """

    def __init__(self, subjects: Callable[[], SubjectSegmenter], *, max_output_pixels: int) -> None:
        self._subjects = subjects
        self._max_output_pixels = max_output_pixels

    def adjust(
        self, picture: Image.Image, reference: Image.Image | None, inputs: AdjustInputs
    ) -> Image.Image:
        """Return the adjusted picture, or `picture` itself if nothing has to change.

        Args:
            picture: RGB, or RGBA for a cut-out; upright.
            reference: supplies the margins that `inputs` leaves out.
            inputs: the request.

        Raises:
            InvalidInputError: no result meets the request; the message names the fields.
        """
        target = _target(inputs)
        margins = self._margins(reference, inputs)
        box = self._subject(picture, "input_image") if margins else None
        width, height = picture.size
        layout = Layout(
            across=_axis(width, box and (box.left, box.right), margins, _HORIZONTAL),
            down=_axis(height, box and (box.top, box.bottom), margins, _VERTICAL),
            ratio=target[0] / target[1] if target else inputs.aspect_ratio or width / height,
        )
        frame = _frame(layout, inputs)
        is_shape_right = _is_near(picture.size, target, layout.ratio, inputs.tolerance)
        if is_shape_right and _has_margins(layout, frame, inputs):
            return picture
        if frame is None:
            raise InvalidInputError(
                f"{_fields(inputs)}: input_image has too little space around its subject for these"
                " margins, and mode crop adds none; use mode pad, scale or auto"
            )
        size = self._size(frame, target, picture.size, inputs)
        if box is not None:
            _require_visible(box, frame, size, inputs)
        if target is None:
            frame = _whole_pixels(frame, layout, size, inputs.mode)
        return render(picture, frame, size, inputs.resampling, box)

    def _margins(self, reference: Image.Image | None, inputs: AdjustInputs) -> dict[str, float]:
        """Return the requested margins by field; a given one overrides the reference's."""
        margins: dict[str, float] = {}
        if reference is not None:
            box, (width, height) = self._subject(reference, "reference_image"), reference.size
            margins = {
                "margin_top": box.top / height,
                "margin_bottom": 1 - box.bottom / height,
                "margin_left": box.left / width,
                "margin_right": 1 - box.right / width,
            }
        for name in (*_VERTICAL, *_HORIZONTAL):
            given: float | None = getattr(inputs, name)
            if given is not None:
                margins[name] = given
        for first, second in (_VERTICAL, _HORIZONTAL):
            total = margins.get(first, 0) + margins.get(second, 0)
            if total >= 1:
                raise InvalidInputError(
                    f"{first} and {second} must add up to less than 1, but add up to {total:g};"
                    " a margin that is not given is taken from reference_image"
                )
        return margins

    def _subject(self, picture: Image.Image, field: str) -> Box:
        box = subject_box(picture, self._subjects)
        if box is None:
            raise InvalidInputError(
                f"{field}: no subject was found, and margins are measured from the subject;"
                " omit the margins and reference_image, or send a picture with a clear subject"
            )
        return box

    def _size(
        self,
        frame: Box,
        target: tuple[int, int] | None,
        own: tuple[int, int],
        inputs: AdjustInputs,
    ) -> tuple[int, int]:
        """Return the result's size: the requested one, else the frame's; at least 1 × 1."""
        size = target or (
            max(1, round(frame.right - frame.left)),
            max(1, round(frame.bottom - frame.top)),
        )
        is_fine = size[0] * size[1] <= self._max_output_pixels and max(size) <= _LONGEST_SIDE_PX
        if is_fine or (size[0] <= own[0] and size[1] <= own[1]):
            return size
        raise InvalidInputError(
            f"{_fields(inputs)}: the result would have {size[0]} × {size[1]} pixels; the limits are"
            f" {self._max_output_pixels} pixels and {_LONGEST_SIDE_PX} pixels per side"
        )


def _require_visible(subject: Box, frame: Box, size: tuple[int, int], inputs: AdjustInputs) -> None:
    across = (subject.right - subject.left) * size[0] / (frame.right - frame.left)
    down = (subject.bottom - subject.top) * size[1] / (frame.bottom - frame.top)
    if min(across, down) < 1:
        raise InvalidInputError(
            f"{_fields(inputs)}: the subject of input_image would have {across:.2g} × {down:.2g} of"
            f" the {size[0]} × {size[1]} pixels, less than one pixel; use smaller margins"
        )


def _target(inputs: AdjustInputs) -> tuple[int, int] | None:
    """Return the requested size, if any."""
    width, height, ratio = inputs.target_width, inputs.target_height, inputs.aspect_ratio
    if ratio is not None and not 1 / _LONGEST_SIDE_PX <= ratio <= _LONGEST_SIDE_PX:
        raise InvalidInputError(
            f"aspect_ratio: {ratio:g} is out of range; sides are 1 to {_LONGEST_SIDE_PX} pixels"
            " long"
        )
    if width is not None and height is not None and ratio is None:
        return width, height
    if width is None and height is None:
        return None
    raise InvalidInputError(
        "target_width, target_height, aspect_ratio: give both sides, or only the ratio"
    )


def _fields(inputs: AdjustInputs) -> str:
    """Return the names of the given fields that determine the frame, for messages."""
    names = ("target_width", "target_height", "aspect_ratio", *_VERTICAL, *_HORIZONTAL)
    requested = [name for name in (*names, "reference_image") if getattr(inputs, name) is not None]
    return ", ".join(requested or ["mode"])


def _is_near(
    size: tuple[int, int], target: tuple[int, int] | None, ratio: float, tolerance: float
) -> bool:
    """Return whether a size, or without a target the aspect ratio, is within the tolerance."""
    if target is None:
        return abs(size[0] / size[1] / ratio - 1) <= tolerance + ROUNDING
    pairs = zip(size, target, strict=True)
    return all(abs(side / wanted - 1) <= tolerance + ROUNDING for side, wanted in pairs)


def _has_margins(layout: Layout, frame: Box | None, inputs: AdjustInputs) -> bool:
    """Return whether the picture already has the margins of its mode, within the tolerance."""
    if inputs.mode == "scale" and frame is not None:
        return is_within_tolerance(
            frame, layout.across.length, layout.down.length, inputs.tolerance
        )
    return all(axis.margin_shortfall <= inputs.tolerance for axis in (layout.across, layout.down))


def _axis(
    length: int,
    subject: tuple[float, float] | None,
    margins: dict[str, float],
    names: tuple[str, str],
) -> Axis:
    """Build an axis: with one margin, the other is 0; with none, the axis is free."""
    if subject is None:
        return Axis(length)
    first, second = names
    return Axis(
        length,
        *subject,
        before=margins.get(first, 0),
        after=margins.get(second, 0),
        is_free=not (first in margins or second in margins),
    )


def _frame(layout: Layout, inputs: AdjustInputs) -> Box | None:
    """Return the frame for the request's mode; None if that mode cannot keep the margins."""
    if inputs.mode == "crop":
        return layout.crop(inputs.cropping_position)
    if inputs.mode == "pad":
        return layout.pad()
    if inputs.mode == "scale":
        return layout.scale(inputs.scaling_proportions)
    return layout.auto(inputs.cropping_position)


def _whole_pixels(frame: Box, layout: Layout, size: tuple[int, int], mode: str) -> Box:
    """Snap the frame to whole pixels, so that nothing is resampled if no size was requested."""
    left = _whole(frame.left, layout.across, size[0], may_overlap=mode == "scale")
    top = _whole(frame.top, layout.down, size[1], may_overlap=mode == "scale")
    return Box(left, top, left + size[0], top + size[1])


def _whole(start: float, axis: Axis, extent: int, *, may_overlap: bool) -> float:
    """Return the whole-pixel start of a frame; its margins are off by less than a pixel."""
    first = round(clamp(start, *sorted(axis.offsets(extent))))
    if not may_overlap:  # exactly inside the picture, or exactly around it
        free = round(axis.length) - extent
        first = max(min(0, free), min(first, max(0, free)))
    return float(first)
