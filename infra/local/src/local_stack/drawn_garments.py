"""Drawn pictures to train on: two-coloured dresses that no model has seen."""

import random

from PIL import Image, ImageDraw

_SIDE_PX = 256
_YELLOW, _PURPLE = (232, 200, 40), (120, 40, 160)
_BACKGROUND = (246, 244, 240)
_OVERSAMPLING = 3


def draw_dresses(num: int, seed: int = 0) -> list[Image.Image]:
    """Draw dresses, yellow above the waist and purple below, each of its own cut.

    Returns:
        RGB pictures of 256 × 256 pixels; the same for the same arguments.
    """
    rng = random.Random(seed)  # noqa: S311 -- no secret
    return [_draw(rng) for _ in range(num)]


def _draw(rng: random.Random) -> Image.Image:
    side = _SIDE_PX * _OVERSAMPLING
    picture = Image.new("RGB", (side, side), _BACKGROUND)
    draw = ImageDraw.Draw(picture)
    middle = side * rng.uniform(0.48, 0.52)
    top, waist, hem = (side * rng.uniform(*span) for span in _HEIGHTS)
    shoulder, narrow, wide = (side * rng.uniform(*span) for span in _HALF_WIDTHS)
    sleeve, neck = side * rng.uniform(0.03, 0.09), side * rng.uniform(0.05, 0.08)
    bodice = [
        (middle - neck, top),
        (middle, top + neck),
        (middle + neck, top),
        (middle + shoulder, top + side * 0.02),
        (middle + shoulder + sleeve, top + side * 0.16),
        (middle + shoulder * 0.9, top + side * 0.17),
        (middle + narrow, waist),
    ]
    mirrored = [(2 * middle - x, y) for x, y in reversed(bodice[2:])]
    draw.polygon([*bodice, *mirrored], fill=_shade(_YELLOW, rng))
    skirt = [
        (middle - narrow, waist),
        (middle + narrow, waist),
        (middle + wide, hem),
        (middle - wide, hem),
    ]
    draw.polygon(skirt, fill=_shade(_PURPLE, rng))
    return picture.resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)


_HEIGHTS = ((0.08, 0.12), (0.44, 0.5), (0.86, 0.93))
"""Top, waist and hem, as shares of the side."""
_HALF_WIDTHS = ((0.13, 0.17), (0.1, 0.14), (0.22, 0.32))
"""Shoulders, waist and hem, from the middle."""


def _shade(colour: tuple[int, int, int], rng: random.Random) -> tuple[int, int, int]:
    factor = rng.uniform(0.94, 1.04)
    red, green, blue = (min(255, round(level * factor)) for level in colour)
    return red, green, blue
