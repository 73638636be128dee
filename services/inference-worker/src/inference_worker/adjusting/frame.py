"""The frame that becomes the result: its place over the picture, by mode and margins.

All values are in pixels of the picture, as floats. Height and width are treated alike, each as an
`Axis`; the frame's aspect ratio couples the two.
"""

import math
from dataclasses import dataclass

from inference_worker.vision.protocols import Box

_PADS_FROM = 0.05
"""Relative difference of aspect ratios above which mode auto pads instead of cropping."""
ROUNDING = 1e-9
"""Tolerance for rounding errors when shares or ratios are compared."""


@dataclass(frozen=True)
class Axis:
    """One axis of a picture, and the subject that must be inside the frame.

    Attributes:
        length: of the picture.
        start, end: of the subject; inf and -inf if no subject was searched for.
        before, after: minimum margins before and after it, as shares of the frame's length.
        is_free: no margin is requested on this axis; a known subject is kept as far as it fits.
    """

    length: float
    start: float = math.inf
    end: float = -math.inf
    before: float = 0
    after: float = 0
    is_free: bool = True

    @property
    def margin_shortfall(self) -> float:
        """Largest amount by which a margin is missing in the picture, as a share of its length."""
        if self.is_free:
            return 0
        after = (self.length - self.end) / self.length
        return max(0, self.before - self.start / self.length, self.after - after)

    @property
    def tightest(self) -> float:
        """Length of the frame with exactly the margins; the picture's length without a subject."""
        if self.start > self.end:
            return self.length
        return (self.end - self.start) / (1 - self.before - self.after)

    @property
    def fitted(self) -> float:
        """Like `tightest`, but the picture's length also if no margin is requested."""
        return self.length if self.is_free else self.tightest

    @property
    def shortest_around(self) -> float:
        """Length of the shortest frame that holds the whole picture and the margins."""
        if self.is_free:
            return self.length
        before = (self.length - self.start) / (1 - self.before)
        return max(self.length, self.fitted, self.end / (1 - self.after), before)

    @property
    def longest_within(self) -> float:
        """Length of the longest frame inside the picture that keeps the margins."""
        bounds = [self.length]
        if not self.is_free and self.before:
            bounds.append(self.start / self.before)
        if not self.is_free and self.after:
            bounds.append((self.length - self.end) / self.after)
        return min(bounds)

    def offsets(self, extent: float) -> tuple[float, float]:
        """Return the lowest and highest start at which a frame of that extent keeps the margins."""
        return self.end - (1 - self.after) * extent, self.start - self.before * extent


@dataclass(frozen=True)
class Layout:
    """A picture's two axes, and the aspect ratio of the frame to place.

    Attributes:
        across: the horizontal axis.
        down: the vertical axis.
        ratio: width over height of the frame.
    """

    across: Axis
    down: Axis
    ratio: float

    def crop(self, position: str) -> Box | None:
        """Return the largest frame inside the picture; None if the margins do not fit.

        Args:
            position: center, top, bottom, left or right: the part of the picture to prefer.
        """
        height = min(self.down.longest_within, self.across.longest_within / self.ratio)
        width = height * self.ratio
        for axis, extent in ((self.across, width), (self.down, height)):
            if not axis.is_free and axis.fitted > extent * (1 + ROUNDING):
                return None
        part_x = {"left": 0.0, "right": 1.0}.get(position, 0.5)
        part_y = {"top": 0.0, "bottom": 1.0}.get(position, 0.5)
        return _box(
            _inside(self.across, width, part_x), _inside(self.down, height, part_y), width, height
        )

    def pad(self) -> Box:
        """Return the smallest frame around the picture."""
        height = max(self.down.shortest_around, self.across.shortest_around / self.ratio)
        width = height * self.ratio
        return _box(_inside(self.across, width), _inside(self.down, height), width, height)

    def scale(self, proportions: str) -> Box:
        """Return the frame that fits the subject with its margins, or else the picture.

        Args:
            proportions: fit: both sides fit; height, width: that side fits exactly, the other
                follows from the ratio.
        """
        if proportions == "height":
            height = self.down.fitted
        elif proportions == "width":
            height = self.across.fitted / self.ratio
        else:
            height = max(self.down.tightest, self.across.tightest / self.ratio)
        width = height * self.ratio
        return _box(_around(self.across, width), _around(self.down, height), width, height)

    def auto(self, position: str) -> Box:
        """Return the frame of `pad` if ratios differ much or the subject needs it, else `crop`."""
        own = self.across.length / self.down.length
        is_near = abs(own / self.ratio - 1) <= _PADS_FROM + ROUNDING
        cropped = self.crop(position) if is_near else None
        return cropped if cropped and self._holds_subject(cropped) else self.pad()

    def _holds_subject(self, frame: Box) -> bool:
        """Return whether the whole subject is in the frame; true if it was not searched for."""
        across, down = self.across, self.down
        starts = across.start - frame.left, down.start - frame.top
        ends = frame.right - across.end, frame.bottom - down.end
        return min(*starts, *ends) >= -ROUNDING * max(across.length, down.length)


def is_within_tolerance(frame: Box, width: float, height: float, tolerance: float) -> bool:
    """Return whether frame and picture differ by at most `tolerance` of the picture's sides."""
    across = (frame.left, frame.right - frame.left - width)
    down = (frame.top, frame.bottom - frame.top - height)
    return max(map(abs, across)) <= tolerance * width and max(map(abs, down)) <= tolerance * height


def _box(left: float, top: float, width: float, height: float) -> Box:
    return Box(left, top, left + width, top + height)


def _inside(axis: Axis, extent: float, part: float = 0.5) -> float:
    """Return the start of a frame that is inside the picture, or contains it."""
    free = axis.length - extent
    lowest, highest = sorted(axis.offsets(extent))
    lowest, highest = max(lowest, min(0.0, free)), min(highest, max(0.0, free))
    return clamp(part * free, lowest, highest)


def _around(axis: Axis, extent: float) -> float:
    """Return the start of a frame centred on the subject, as far as that needs no padding."""
    free = axis.length - extent
    if axis.start > axis.end:
        return free / 2
    lowest, highest = sorted(axis.offsets(extent))
    middle = (lowest + highest) / 2
    return clamp(clamp(middle, 0.0, max(0.0, free)), lowest, highest)


def clamp(value: float, lowest: float, highest: float) -> float:
    """Return the value limited to the bounds."""
    return max(lowest, min(value, highest))
