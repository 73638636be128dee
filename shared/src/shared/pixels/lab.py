"""Conversion to CIELAB and moves within it, fast and exactly reversible.

CIELAB is linear in f(X), f(Y) and f(Z), so that a straight line between two of its colours is a
straight line between their f's (CIE 15:2004; sRGB: IEC 61966-2-1; white: D65). All curves are
16-bit tables; results are within one level of scikit-image's.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]
_Real = TypeVar("_Real", np.float32, np.float64)

_STEPS = 65_536
_SCALE = 65_535.0
"""Planes hold 0…1 as 0…65535, so that a value is its own index into the next table."""
_KNEE = 6 / 29
_WHITE = np.array([0.95047, 1.0, 1.08883])
_TO_XYZ = (
    np.array(
        [
            [0.412453, 0.357580, 0.180423],
            [0.212671, 0.715160, 0.072169],
            [0.019334, 0.119193, 0.950227],
        ]
    )
    / _WHITE[:, np.newaxis]
)
"""The matrix from linear sRGB to XYZ over white."""
_FORWARD = _TO_XYZ.astype(np.float32)
_BACKWARD = np.linalg.inv(_TO_XYZ).astype(np.float32)


def _linear_of_srgb(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _srgb_of_linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def _f(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values > _KNEE**3, np.cbrt(values), values / (3 * _KNEE**2) + 4 / 29)


def _f_inverse(values: NDArray[_Real]) -> NDArray[_Real]:
    return np.where(values > _KNEE, values * values * values, 3 * _KNEE**2 * (values - 4 / 29))


_BINS = (np.arange(_STEPS) + 0.5) / _STEPS
_LINEAR: Plane = (_linear_of_srgb(np.arange(256) / 255) * _SCALE).astype(np.float32)
_F: Plane = (_f(_BINS) * _SCALE).astype(np.float32)
_F_INVERSE: Plane = (_f_inverse(_BINS) * _SCALE).astype(np.float32)
_LEVEL: Pixels = np.rint(_srgb_of_linear(_BINS) * 255).astype(np.uint8)


def to_lab(pixels: Pixels) -> Plane:
    """Convert sRGB pixels, […, 3], to CIELAB, […, 3]: L from 0 to 100, a and b."""
    x, y, z = (plane / np.float32(_SCALE) for plane in _f_xyz(pixels))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def from_lab(lab: Plane) -> Pixels:
    """Convert CIELAB colours, […, 3], to sRGB pixels; colours out of gamut are clipped.

    Exact inverse of `to_lab`.
    """
    middle = (lab[..., 0] + 16) / 116
    f_xyz = (middle + lab[..., 1] / 500, middle, middle - lab[..., 2] / 200)
    # No colour has an f below 0; scikit-image raises that of Z alone, and warns.
    return _pixels([_f_inverse(np.maximum(f, 0)) * np.float32(_SCALE) for f in f_xyz])


@dataclass(frozen=True)
class LabColour:
    """A colour: lightness 0 to 100, a and b."""

    lightness: float
    a: float
    b: float

    @property
    def f_xyz(self) -> tuple[float, float, float]:
        """The f of X, Y and Z over white, clipped to 0…1."""
        middle = (self.lightness + 16) / 116
        x, y, z = middle + self.a / 500, middle, middle - self.b / 200
        return min(max(x, 0), 1), min(max(y, 0), 1), min(max(z, 0), 1)

    @property
    def srgb(self) -> tuple[int, int, int]:
        """The levels in sRGB, 0 to 255."""
        lab = np.array([[self.lightness, self.a, self.b]], np.float32)
        red, green, blue = from_lab(lab)[0].tolist()
        return red, green, blue


@dataclass(frozen=True)
class Ramp:
    """The weight of a move by lightness: 0 up to `shadow`, 1 from `light` on; L as 0 to 255."""

    shadow: float
    light: float

    def weights(self, f_y: Plane) -> Plane:
        """Return the weight of each pixel, from its f(Y) × 65535."""
        span = self.light - self.shadow
        weights = f_y * np.float32(116 * 2.55 / span / _SCALE)
        weights -= np.float32((16 * 2.55 + self.shadow) / span)
        return np.clip(weights, 0, 1, out=weights)


def move_toward(pixels: Pixels, colour: LabColour, share: Plane, ramp: Ramp | None) -> Pixels:
    """Move pixels on a straight line through CIELAB toward a colour.

    Args:
        pixels: [H, W, 3], sRGB.
        colour: the target.
        share: [H, W], 0 to 1: the part of the line that each pixel moves; with 0 it is unchanged.
        ramp: scales that part by the pixel's lightness; None: no scaling.

    Returns:
        [H, W, 3], sRGB; colours out of gamut are clipped.
    """
    f_xyz = _f_xyz(pixels)
    way = share if ramp is None else ramp.weights(f_xyz[1]) * share
    for own, goal in zip(f_xyz, colour.f_xyz, strict=True):
        step = np.float32(goal * _SCALE) - own
        step *= way
        np.add(own, step, out=own)
    moved = _pixels([np.take(_F_INVERSE, plane.astype(np.uint16)) for plane in f_xyz])
    np.copyto(moved, pixels, where=(way == 0)[:, :, np.newaxis])
    return moved


def _f_xyz(pixels: Pixels) -> list[Plane]:
    """Return f of X, Y and Z over white, × 65535."""
    linear = [np.take(_LINEAR, pixels[..., channel]) for channel in range(3)]
    return [np.take(_F, _mix(linear, row).astype(np.uint16)) for row in _FORWARD]


def _pixels(xyz: list[Plane]) -> Pixels:
    """Return the sRGB pixels of X, Y and Z over white, × 65535."""
    pixels = np.empty((*xyz[0].shape, 3), np.uint8)
    for channel, row in enumerate(_BACKWARD):
        mixed = _mix(xyz, row)
        np.clip(mixed, 0, _SCALE, out=mixed)
        pixels[..., channel] = np.take(_LEVEL, mixed.astype(np.uint16))
    return pixels


def _mix(planes: list[Plane], weights: NDArray[np.float32]) -> Plane:
    mixed = planes[0] * weights[0]
    mixed += planes[1] * weights[1]
    mixed += planes[2] * weights[2]
    return mixed
