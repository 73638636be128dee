"""Which part of the plane becomes the result: a frame over the picture, by mode and margins.

Everything is in pixels of the picture, as real numbers. Height and width are alike, so each is an
`Axis`; the frame's aspect ratio ties the two together.
"""

import math
from dataclasses import dataclass

from inference_worker.vision.protocols import Box

_PADS_FROM = 0.05
"""Difference of aspect ratios beyond which mode auto pads, and loses nothing."""
ROUNDING = 1e-9
"""By how much two equal shares or ratios may differ, as computers reckon."""


@dataclass(frozen=True)
class Axis:
    """One axis of a picture, and what must lie within the frame.

    Attributes:
        length: of the picture.
        start, end: of the subject; infinite, the wrong way round, where nobody has looked for it.
        before, after: least margins before and after it, over the frame's length.
        is_free: no margin is asked for on this axis; a known subject is kept, as far as it fits.
    """

    length: float
    start: float = math.inf
    end: float = -math.inf
    before: float = 0
    after: float = 0
    is_free: bool = True

    @property
    def lacks(self) -> float:
        """The share of its length that the picture itself is short of one of the margins."""
        if self.is_free:
            return 0
        after = (self.length - self.end) / self.length
        return max(0, self.before - self.start / self.length, self.after - after)

    @property
    def tightest(self) -> float:
        """The frame in which the subject has its margins exactly; the picture's own without one."""
        if self.start > self.end:
            return self.length
        return (self.end - self.start) / (1 - self.before - self.after)

    @property
    def fitted(self) -> float:
        """The same; the picture's own also where no margin is asked for."""
        return self.length if self.is_free else self.tightest

    @property
    def shortest_around(self) -> float:
        """The least frame that has all of the picture in it, and the subject's margins."""
        if self.is_free:
            return self.length
        before = (self.length - self.start) / (1 - self.before)
        return max(self.length, self.fitted, self.end / (1 - self.after), before)

    @property
    def longest_within(self) -> float:
        """The greatest frame within the picture that leaves the subject its margins."""
        bounds = [self.length]
        if not self.is_free and self.before:
            bounds.append(self.start / self.before)
        if not self.is_free and self.after:
            bounds.append((self.length - self.end) / self.after)
        return min(bounds)

    def offsets(self, extent: float) -> tuple[float, float]:
        """From where to where a frame of that extent may start, for the margins' sake."""
        return self.end - (1 - self.after) * extent, self.start - self.before * extent


@dataclass(frozen=True)
class Layout:
    """A picture's two axes, and the shape of the frame that is looked for.

    Attributes:
        across: the horizontal axis.
        down: the vertical axis.
        ratio: width over height of the frame.
    """

    across: Axis
    down: Axis
    ratio: float

    def crop(self, position: str) -> Box | None:
        """The largest frame within the picture; none where margins need more than there is.

        Args:
            position: center, top, bottom, left or right: which part of the picture to prefer.
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
        """The smallest frame around the picture."""
        height = max(self.down.shortest_around, self.across.shortest_around / self.ratio)
        width = height * self.ratio
        return _box(_inside(self.across, width), _inside(self.down, height), width, height)

    def scale(self, proportions: str) -> Box:
        """The frame into which the subject with its margins fits, or the picture without.

        Args:
            proportions: fit: all of it; height, width: that side exactly, the other as it comes.
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
        """`pad` where the aspect ratios differ much or the subject needs it, else `crop`."""
        own = self.across.length / self.down.length
        is_near = abs(own / self.ratio - 1) <= _PADS_FROM + ROUNDING
        cropped = self.crop(position) if is_near else None
        return cropped if cropped and self._holds_subject(cropped) else self.pad()

    def _holds_subject(self, frame: Box) -> bool:
        """Whether all of it is in a frame; where nobody has looked for it, it is."""
        across, down = self.across, self.down
        starts = across.start - frame.left, down.start - frame.top
        ends = frame.right - across.end, frame.bottom - down.end
        return min(*starts, *ends) >= -ROUNDING * max(across.length, down.length)


def is_within_tolerance(frame: Box, width: float, height: float, tolerance: float) -> bool:
    """Whether a frame differs from its picture by no more than a share of the picture's sides."""
    across = (frame.left, frame.right - frame.left - width)
    down = (frame.top, frame.bottom - frame.top - height)
    return max(map(abs, across)) <= tolerance * width and max(map(abs, down)) <= tolerance * height


def _box(left: float, top: float, width: float, height: float) -> Box:
    return Box(left, top, left + width, top + height)


def _inside(axis: Axis, extent: float, part: float = 0.5) -> float:
    """Start of a frame that lies within the picture, or the picture within it."""
    free = axis.length - extent
    lowest, highest = sorted(axis.offsets(extent))
    lowest, highest = max(lowest, min(0.0, free)), min(highest, max(0.0, free))
    return clamp(part * free, lowest, highest)


def _around(axis: Axis, extent: float) -> float:
    """Start of a frame with the subject in its middle, as far as that pads nothing."""
    free = axis.length - extent
    if axis.start > axis.end:
        return free / 2
    lowest, highest = sorted(axis.offsets(extent))
    middle = (lowest + highest) / 2
    return clamp(clamp(middle, 0.0, max(0.0, free)), lowest, highest)


def clamp(value: float, lowest: float, highest: float) -> float:
    """The value, or the bound that it is beyond."""
    return max(lowest, min(value, highest))
