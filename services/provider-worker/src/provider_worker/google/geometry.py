"""Comparison of a result's shape with the one that was requested. Pure."""

import math

from shared.contracts.gemini_images import canonical_size, nominal

_TOLERANCE = 0.02


def deviation(model: str, ratio: str, size: tuple[int, int]) -> float:
    """Return the fraction by which a picture's ratio differs from a requested one.

    The model's own sizes differ a little from the nominal ratio, and count as exact.
    """
    given = size[0] / size[1]
    width, height = canonical_size(model, ratio)
    return min(
        abs(math.expm1(math.log(given / wanted))) for wanted in (nominal(ratio), width / height)
    )


def is_off(deviates: float) -> bool:
    """Return true if a result has another shape than the requested one: more than 2 % off."""
    return deviates > _TOLERANCE
