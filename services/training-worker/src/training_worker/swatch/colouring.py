"""Colouring of grey 28×28 garments to 64×64 pictures on a light background, and crops of them."""

import math
from collections.abc import Sequence
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional

GROUND = 0.94
"""Grey level of the background, 0 to 1."""

GROUND_FOR_WHITE = 0.76
"""Grey level of the background for white garments, which would be invisible on `GROUND`."""

_MARGIN_PX = 2
_MID_INK = 0.6
_HUE_JITTER = 5.0
_MAX_ZOOM = 3.0


class Colour(StrEnum):
    """The nine colour words that the model learns."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    BLUE = "blue"
    PURPLE = "purple"
    WHITE = "white"
    BLACK = "black"
    GREY = "grey"


HSV: dict[Colour, tuple[float, float, float]] = {
    Colour.RED: (0.0, 0.85, 0.85),
    Colour.ORANGE: (28.0, 0.90, 0.97),
    Colour.YELLOW: (55.0, 0.85, 0.97),
    Colour.GREEN: (130.0, 0.75, 0.65),
    Colour.BLUE: (222.0, 0.80, 0.80),
    Colour.PURPLE: (285.0, 0.70, 0.70),
    Colour.WHITE: (0.0, 0.0, 1.0),
    Colour.BLACK: (0.0, 0.0, 0.12),
    Colour.GREY: (0.0, 0.0, 0.52),
}
"""Hue in degrees, saturation and value of the cloth's mid-tone."""

HUES = tuple(colour for colour, (_, saturation, _) in HSV.items() if saturation > 0)
"""The six colours that have a hue."""


def hsv_to_rgb(hsv: Tensor) -> Tensor:
    """Convert [B, 3] of degrees, saturation and value to [B, 3] of red, green and blue."""
    hue, saturation, value = hsv.unbind(1)
    sector = (torch.tensor([5.0, 3.0, 1.0]) + hue[:, None] / 60) % 6
    fade = torch.minimum(sector, 4 - sector).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * fade)


def jittered_rgb(colours: Sequence[Colour], generator: torch.Generator) -> Tensor:
    """Draw a shade of each colour: [B, 3], values 0 to 1."""
    base = torch.tensor([HSV[colour] for colour in colours])
    noise = torch.rand(base.shape, generator=generator) * 2 - 1
    hue = base[:, 0] + noise[:, 0] * _HUE_JITTER
    saturation = base[:, 1] * (1 + 0.12 * noise[:, 1])
    value = base[:, 2] + 0.06 * noise[:, 2]
    return hsv_to_rgb(torch.stack([hue % 360, saturation.clamp(0, 1), value.clamp(0, 1)], dim=1))


def ink_of(pictures: Tensor) -> Tensor:
    """Enlarge uint8 [B, 28, 28] to ink [B, 1, 64, 64], 0 to 1, with equal means.

    The dataset stores negatives: a value is how much darker than the background the cloth is. A
    power function per picture adjusts its mean, so that pale garments show their colour too.
    """
    ink = functional.pad(pictures[:, None].float() / 255, [_MARGIN_PX] * 4)
    covered = (ink > 0.08).float()
    mean = (ink * covered).sum((1, 2, 3)) / covered.sum((1, 2, 3)).clamp(min=1)
    power = math.log(_MID_INK) / mean.clamp(0.05, 0.95).log()
    ink = ink ** power.clamp(0.5, 1.8)[:, None, None, None]
    return functional.interpolate(ink, scale_factor=2, mode="bicubic").clamp(0, 1)


def tint(ink: Tensor, rgb: Tensor, ground: Tensor) -> Tensor:
    """Print ink [B, 1, H, W] in rgb [B, 3] on ground [B, 3]: [B, 3, H, W], values -1 to 1.

    Zero ink gives the ground, medium ink the colour itself, full ink its shadow.
    """
    rgb, ground = rgb[:, :, None, None], ground[:, :, None, None]
    lower = (ink / _MID_INK).clamp(max=1)
    upper = ((ink - _MID_INK) / (1 - _MID_INK)).clamp(min=0)
    # The shadow of white stays lighter than its ground.
    depth = torch.where(rgb.amin(dim=1, keepdim=True) > 0.9, 0.14, 0.35)
    return (ground + (rgb - ground) * lower - depth * rgb * upper) * 2 - 1


def colour_pictures(
    pictures: Tensor, colours: Sequence[Colour], generator: torch.Generator
) -> Tensor:
    """Colour uint8 [B, 28, 28] garments by name: [B, 3, 64, 64], values -1 to 1."""
    return shade_pictures(pictures, colours, jittered_rgb(colours, generator))


def shade_pictures(pictures: Tensor, colours: Sequence[Colour], rgb: Tensor) -> Tensor:
    """Colour garments in given shades [B, 3] of the named colours: [B, 3, 64, 64], -1 to 1."""
    is_white = torch.tensor([colour is Colour.WHITE for colour in colours])
    ground = torch.where(is_white, GROUND_FOR_WHITE, GROUND)[:, None].expand(-1, 3)
    return tint(ink_of(pictures), rgb, ground)


def colour_freely(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Colour garments and backgrounds at random: [B, 3, 64, 64], values -1 to 1."""
    shape = (len(pictures), 3)
    rgb = torch.rand(shape, generator=generator)
    return tint(ink_of(pictures), rgb, torch.rand(shape, generator=generator))


def crop_randomly(images: Tensor, generator: torch.Generator) -> Tensor:
    """Zoom into each of [B, 3, H, W] by 1 to 3 at a random place, like tiles of a refinement."""
    num = len(images)
    zoom = 1 + (_MAX_ZOOM - 1) * torch.rand(num, generator=generator)
    offset = (torch.rand((num, 2), generator=generator) * 2 - 1) * (1 - 1 / zoom)[:, None]
    scale = torch.diag_embed((1 / zoom)[:, None].expand(-1, 2))
    theta = torch.cat([scale, offset[:, :, None]], dim=2)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    crops = functional.grid_sample(
        images, grid, mode="bicubic", padding_mode="border", align_corners=False
    )
    return crops.clamp(-1, 1)
