"""The guided filter, which aligns a model's coarse mask to the edges of its picture.

The guided filter (He, Sun, Tang: Guided Image Filtering, TPAMI 2013) with the picture's three
channels as guide: in every window, the mask becomes a linear function of the colour. Coefficients
are computed at a reduced size and applied at full size (He, Sun: Fast Guided Filter,
arXiv:1505.00996), so that the cost hardly grows with the picture, and hair is kept at full
resolution.
"""

import numpy as np
from numpy.typing import NDArray

from inference_worker.vision.box_means import Planes, box_means
from inference_worker.vision.resizing import resize_map, resize_picture, shrink_size

_WINDOW_SHARE = 1 / 32
"""A window's side over the longer side of the size at which coefficients are computed."""
_EPSILON = np.float32(1e-4)
"""Regularisation: colour variance (of values 0 to 1) below which a window counts as flat."""
_DIAGONAL = [0, 3, 5]
_HAZE = 0.05
"""Remainder of the mask's blur at either end of 0 to 1, which is clipped."""


def guided_mask(
    mask: NDArray[np.float32], picture: NDArray[np.uint8], *, longest: int
) -> NDArray[np.float32]:
    """Align a mask to the picture's edges, at the picture's size.

    Args:
        mask: H' × W', 0 to 1, at any size.
        picture: H × W × 3.
        longest: longer side at which the coefficients are computed, in pixels.

    Returns:
        H × W, 0 to 1.
    """
    height, width = picture.shape[:2]
    size = shrink_size((width, height), longest)
    coefficients = _coefficients(_unit(resize_picture(picture, size)), resize_map(mask, size))
    *slopes, offset = (
        resize_map(np.ascontiguousarray(coefficients[:, plane]), (width, height))
        for plane in range(4)
    )
    refined = np.array(offset)
    for channel, slope in enumerate(slopes):
        refined += slope * (picture[..., channel] * np.float32(1 / 255))
    refined -= _HAZE
    refined /= 1 - 2 * _HAZE
    return np.clip(refined, 0, 1, out=refined)


def _unit(picture: NDArray[np.uint8]) -> Planes:
    """Convert the colours to h × 3 × w, 0 to 1."""
    return picture.transpose(0, 2, 1).astype(np.float32, order="C") / np.float32(255)


def _coefficients(guide: Planes, mask: NDArray[np.float32]) -> Planes:
    """Return three slopes and the offset of the mask as a function of the colour: h × 4 × w."""
    window = max(3, round(max(mask.shape) * _WINDOW_SHARE) | 1)
    planes = np.empty((len(mask), 13, mask.shape[1]), np.float32)
    planes[:, :3], planes[:, 3] = guide, mask
    np.multiply(guide, mask[:, None], out=planes[:, 4:7])
    planes[:, 7:] = _products(guide)
    means = box_means(planes, window, "nearest")
    guide_mean, mask_mean, covariance, spread = np.split(means, (3, 4, 7), axis=1)
    covariance -= guide_mean * mask_mean
    spread -= _products(guide_mean)
    spread[:, _DIAGONAL] += _EPSILON
    slopes = _solve_symmetric(spread, covariance)
    offset = mask_mean - (slopes * guide_mean).sum(axis=1, keepdims=True)
    return box_means(np.concatenate([slopes, offset], axis=1), window, "nearest")


def _products(colours: Planes) -> Planes:
    """Return red², red · green, red · blue, green², green · blue, blue²: h × 6 × w."""
    red, green, blue = np.moveaxis(colours, 1, 0)
    pairs = (
        (red, red),
        (red, green),
        (red, blue),
        (green, green),
        (green, blue),
        (blue, blue),
    )
    return np.stack([first * second for first, second in pairs], axis=1)


def _solve_symmetric(matrix: Planes, right: Planes) -> Planes:
    """Solve a symmetric 3 × 3 system (its upper triangle: h × 6 × w) for every pixel."""
    rr, rg, rb, gg, gb, bb = np.moveaxis(matrix, 1, 0)
    x, y, z = np.moveaxis(right, 1, 0)
    # By the adjugate, of which only the upper triangle is needed.
    a, b, c = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    d, e, f = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    determinant = rr * a + rg * b + rb * c
    solved = (a * x + b * y + c * z, b * x + d * y + e * z, c * x + e * y + f * z)
    return np.divide(np.stack(solved, axis=1), determinant[:, None], dtype=np.float32)
