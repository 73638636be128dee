"""The loss curve as a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

_SIZE = (960, 540)
_LEFT, _TOP, _RIGHT, _BOTTOM = 90, 60, 30, 70
_GRID, _AXIS, _TEXT = "#e4e4e4", "#606060", "#303030"
_NUM_TICKS = 6
_FONT_PX = 16
_DOT_PX = 4

Point = tuple[float, float]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend.
        colour: as Pillow names it.
        points: (step, loss), by step.
        width: in pixels.
        has_dots: mark each point.
    """

    name: str
    colour: str
    points: Sequence[Point]
    width: int = 2
    has_dots: bool = False


@dataclass(frozen=True)
class _Axis:
    """A range of values, ends rounded to ticks, on a range of pixels."""

    ticks: Sequence[float]
    first_px: int
    last_px: int

    def px(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self.first_px + (value - low) / (high - low) * (self.last_px - self.first_px)


def draw_curve(title: str, lines: Sequence[Line]) -> Image.Image:
    """Draw lines of loss over steps, with axes, labels and a legend."""
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(_FONT_PX)
    shown = [[point for point in line.points if math.isfinite(point[1])] for line in lines]
    steps = [step for points in shown for step, _ in points] or [0]
    losses = [loss for points in shown for _, loss in points] or [0]
    width, height = _SIZE
    across = _Axis(_ticks(0, max(steps)), _LEFT, width - _RIGHT)
    up = _Axis(_ticks(min(0, *losses), max(losses)), height - _BOTTOM, _TOP)
    _draw_axes(draw, font, across, up)
    for line, points in zip(lines, shown, strict=True):
        places = [(across.px(step), up.px(loss)) for step, loss in points]
        if len(places) > 1:
            draw.line(places, line.colour, line.width, joint="curve")
        for x, y in places if line.has_dots else ():
            draw.ellipse((x - _DOT_PX, y - _DOT_PX, x + _DOT_PX, y + _DOT_PX), line.colour)
    draw.text((_LEFT, 12), title, _TEXT, font)
    _draw_legend(draw, font, lines)
    return image


def _draw_axes(draw: ImageDraw.ImageDraw, font: Font, across: _Axis, up: _Axis) -> None:
    width, height = _SIZE
    for tick in across.ticks:
        x = across.px(tick)
        draw.line((x, _TOP, x, height - _BOTTOM), _GRID)
        draw.text((x, height - _BOTTOM + 8), f"{tick:g}", _TEXT, font, anchor="ma")
    for tick in up.ticks:
        y = up.px(tick)
        draw.line((_LEFT, y, width - _RIGHT, y), _GRID)
        draw.text((_LEFT - 8, y), f"{tick:g}", _TEXT, font, anchor="rm")
    corner = (_LEFT, height - _BOTTOM)
    draw.line((*corner, width - _RIGHT, height - _BOTTOM), _AXIS, 2)
    draw.line((*corner, _LEFT, _TOP), _AXIS, 2)
    draw.text(((_LEFT + width - _RIGHT) / 2, height - 12), "step", _TEXT, font, anchor="ms")
    draw.text((12, _TOP - 14), "loss", _TEXT, font, anchor="ls")


def _draw_legend(draw: ImageDraw.ImageDraw, font: Font, lines: Sequence[Line]) -> None:
    x = _SIZE[0] - _RIGHT
    for line in reversed(lines):
        x -= draw.textlength(line.name, font) + 60
        draw.line((x, 22, x + 28, 22), line.colour, max(3, line.width))
        draw.text((x + 36, 12), line.name, _TEXT, font)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers at even distances from the low one to the high one or beyond."""
    span = (high - low) or 1.0
    power = 10 ** math.floor(math.log10(span / _NUM_TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= span / _NUM_TICKS)
    first = math.floor(low / step)
    last = max(first + 1, math.ceil(high / step - 1e-9))
    return [round(number * step, 12) for number in range(first, last + 1)]
