"""Conversion of a fal app's input to an order and a charge. Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from provider_worker.sandbox.ledger import Charge
from provider_worker.sandbox.orders import Order, Size, ratio_of
from provider_worker.sandbox.schemas.kinds import PRESETS, ImageSize

_ONE = ("image_url", "start_image_url")
_MANY = ("image_urls",)
_FACTORS = ("upscale_factor", "scale")
_DEFAULT_FACTORS = {"fal-ai/aura-sr": 4}
_MEGAPIXEL = 1024 * 1024
_AREAS = {"1K": 1, "2K": 4, "4K": 16, "auto_2K": 4, "auto_4K": 16}
_UNKNOWN_SIZE = (64, 64)
_VIDEO_S = 5
_MOST_PICTURES = 16
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def fal_order(app: str, given: Mapping[str, Any], output: Sequence[str]) -> Order:
    """Return the media that an app's input asks for.

    Args:
        app: the app.
        given: its input.
        output: the fields of its result; none where the app is not known.
    """
    sources, prompt = sources_of(given), str(given.get("prompt", ""))
    if "video" in output:
        ratio = ratio_of(given.get("aspect_ratio")) or (None if sources else 16 / 9)
        return Order(sources, prompt, ratio=ratio, video_s=_seconds(given.get("duration")))
    return Order(
        sources=sources,
        prompt=prompt,
        seed=_integer(given.get("seed")),
        count=_count(given),
        size=_size(given) or (None if output else _UNKNOWN_SIZE),
        area=_area(given),
        ratio=ratio_of(given.get("aspect_ratio") or given.get("resolution_mode")),
        factor=_factor(app, given) if "image" in output else None,
        dots=len(given["loras"]) if isinstance(given.get("loras"), list) else 0,
        kind=_kind(given),
        is_lenient=not output,
    )


def sources_of(given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the pictures of an input; the first is edited."""
    one = [given[name] for name in _ONE if isinstance(given.get(name), str)]
    many = [given[name] for name in _MANY if isinstance(given.get(name), list)]
    return tuple(str(source) for source in [*one, *(each for urls in many for each in urls)])


def charge_of(given: Mapping[str, Any], output: Sequence[str]) -> Charge:
    """Return what an input costs: seconds of video, or megapixels, one a picture at least."""
    if "video" in output:
        return Charge("seconds", _seconds(given.get("duration")))
    count = _count(given)
    width, height = _size(given) or (1, 1)
    return Charge("megapixels", count * max(1, math.ceil(width * height / _MEGAPIXEL)))


def _count(given: Mapping[str, Any]) -> int:
    """Return the number of pictures; apps without a published schema may be asked for any."""
    return min(max(_integer(given.get("num_images")) or 1, 1), _MOST_PICTURES)


def _seconds(duration: Any) -> float:
    """Return the number in a duration like 5, "5" or "5s"; the default where it has none."""
    found = _NUMBER.search(str(duration))
    return min(float(found[0]), 60) if found else _VIDEO_S


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _size(given: Mapping[str, Any]) -> Size | None:
    asked = given.get("image_size")
    if isinstance(asked, str):
        return PRESETS.get(asked)
    try:
        size = ImageSize.model_validate(asked)
    except ValidationError:
        return None
    return size.width, size.height


def _area(given: Mapping[str, Any]) -> int | None:
    for name in ("resolution", "image_size"):
        word = given.get(name)
        if isinstance(word, str) and word in _AREAS:
            return _AREAS[word] * _MEGAPIXEL
    return _MEGAPIXEL if given.get("aspect_ratio") or given.get("resolution_mode") else None


def _factor(app: str, given: Mapping[str, Any]) -> float:
    factors = [given[name] for name in _FACTORS if isinstance(given.get(name), int | float)]
    return float(factors[0]) if factors else _DEFAULT_FACTORS.get(app, 2)


def _kind(given: Mapping[str, Any]) -> str:
    kinds = {"jpeg": "JPEG", "jpg": "JPEG", "webp": "WEBP"}
    return kinds.get(str(given.get("output_format")), "PNG")
