"""Magnific's limits of pictures, checked before anything is paid for. Pure functions."""

from collections.abc import Callable, Sequence

from shared.errors import InvalidInputError

CREATIVE_FACTORS: Sequence[int] = (2, 4, 8, 16)
PRECISION_FACTORS: Sequence[int] = range(2, 17)
_SHORTEST_SIDE = 160
_MOST_ELONGATED = 3
_MAX_CREATIVE_PIXELS = 25_300_000
_LONGEST_PRECISION_SIDE = 10_060
_FIELD = "base_image_url"


def check_input(width: int, height: int) -> None:
    """Check the size of an input picture.

    Raises:
        InvalidInputError: it is too small or too elongated.
    """
    if min(width, height) < _SHORTEST_SIDE:
        raise InvalidInputError(
            f"{_FIELD} has {width} × {height} pixels; Magnific needs {_SHORTEST_SIDE} on each side"
        )
    if max(width, height) > _MOST_ELONGATED * min(width, height):
        raise InvalidInputError(
            f"{_FIELD} has {width} × {height} pixels; Magnific takes ratios from 1:3 to 3:1"
        )


def check_creative_output(width: int, height: int, factor: int) -> None:
    """Check the size of the result of the creative upscaler.

    Raises:
        InvalidInputError: it is too large.
    """

    def is_possible(tried: int) -> bool:
        return width * height * tried**2 <= _MAX_CREATIVE_PIXELS

    if not is_possible(factor):
        size = f"{_size(width, height, factor)}, {width * height * factor**2 / 1e6:.1f} megapixels"
        limit = f"{_MAX_CREATIVE_PIXELS / 1e6:.1f} megapixels"
        raise _too_large(factor, size, limit, _largest(CREATIVE_FACTORS, is_possible))


def check_precision_output(width: int, height: int, factor: int) -> None:
    """Check the size of the result of the precision upscaler.

    Raises:
        InvalidInputError: it is too large.
    """

    def is_possible(tried: int) -> bool:
        return max(width, height) * tried <= _LONGEST_PRECISION_SIDE

    if not is_possible(factor):
        limit = f"{_LONGEST_PRECISION_SIDE} pixels on a side"
        largest = _largest(PRECISION_FACTORS, is_possible)
        raise _too_large(factor, _size(width, height, factor), limit, largest)


def _largest(factors: Sequence[int], is_possible: Callable[[int], bool]) -> int | None:
    return max(filter(is_possible, factors), default=None)


def _size(width: int, height: int, factor: int) -> str:
    return f"{width * factor} × {height * factor} pixels"


def _too_large(factor: int, size: str, limit: str, largest: int | None) -> InvalidInputError:
    remedy = (
        f"the largest factor for this picture is {largest}" if largest else "send a smaller one"
    )
    return InvalidInputError(
        f"upscale_factor {factor} gives {size}; Magnific's limit is {limit}: {remedy}"
    )
