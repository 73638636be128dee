"""Aspect ratios and factors of enlargement. Pure."""

import math
from collections.abc import Iterable

_DECIMALS = 4


def nearest_ratio(width: int, height: int, ratios: Iterable[str]) -> str:
    """Return the ratio that is nearest to width : height, by the difference of logarithms.

    Args:
        width: of the picture asked for.
        height: of the same.
        ratios: at least one, such as `16:9`.
    """
    asked = math.log(width / height)
    return min(ratios, key=lambda ratio: abs(asked - math.log(_value(ratio))))


def _value(ratio: str) -> float:
    across, down = ratio.split(":")
    return int(across) / int(down)


def least_factor(size: tuple[int, int], target: tuple[int, int]) -> float:
    """Return the factor by which a picture covers a target, rounded up; 1 if it covers it now."""
    exact = max(wanted / given for wanted, given in zip(target, size, strict=True))
    # Without the subtraction, a binary fraction such as 2.2 would be rounded up to 2.2001.
    rounded = math.ceil(exact * 10**_DECIMALS - 1e-6) / 10**_DECIMALS
    return max(rounded, 1)
