"""Aspect ratios of providers that take one instead of a size. Pure."""

import math
from collections.abc import Sequence


def nearest_ratio(width: int, height: int, ratios: Sequence[str]) -> str:
    """Return the ratio, such as `3:4`, that is nearest to a size, by the logarithm."""

    def distance(ratio: str) -> float:
        across, down = map(int, ratio.split(":"))
        return abs(math.log(width * down / (height * across)))

    return min(ratios, key=distance)
