"""Factors of enlargement. Pure."""

import math

_DECIMALS = 4


def least_factor(size: tuple[int, int], target: tuple[int, int]) -> float:
    """Return the factor by which a picture covers a target, rounded up; 1 if it covers it now."""
    exact = max(wanted / given for wanted, given in zip(target, size, strict=True))
    # Without the subtraction, a binary fraction such as 2.2 would be rounded up to 2.2001.
    rounded = math.ceil(exact * 10**_DECIMALS - 1e-6) / 10**_DECIMALS
    return max(rounded, 1)
