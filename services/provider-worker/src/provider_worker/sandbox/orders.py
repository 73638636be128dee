"""Orders for media: what a provider's request asks for, in terms of pictures and seconds. Pure."""

import base64
import binascii
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Size = tuple[int, int]
_DATA = "data:"


@dataclass(frozen=True)
class Order:
    """Pictures or a video to be made.

    Attributes:
        sources: data URLs, http(s) URLs or base64; the first is edited.
        prompt: colours what has no source.
        seed: tints the result; a multiple of 1000 leaves the source as it is.
        count: number of pictures.
        size: of the result, in pixels; none: by `area` and `ratio`, by `factor`, else the source's.
        area: pixels of the result.
        ratio: width by height; none: the source's.
        factor: enlargement of the source.
        dots: number of dots to draw, one a LoRA.
        kind: PNG, JPEG or WEBP.
        video_s: seconds; none: pictures.
        is_lenient: a source that cannot be read counts as none.
        is_plain: sources may be base64 without a data URL's head.
    """

    sources: tuple[str, ...] = ()
    prompt: str = ""
    seed: int | None = None
    count: int = 1
    size: Size | None = None
    area: int | None = None
    ratio: float | None = None
    factor: float | None = None
    dots: int = 0
    kind: str = "PNG"
    video_s: float | None = None
    is_lenient: bool = False
    is_plain: bool = False

    def size_of(self, source: Size | None) -> Size:
        """Return the size of the result for a source of this size."""
        width, height = source or (1024, 1024)
        if self.size:
            return self.size
        if self.factor:
            return round(width * self.factor), round(height * self.factor)
        ratio = self.ratio or width / height
        if self.area is None and self.ratio is None:
            return width, height
        area = self.area or width * height
        high = math.sqrt(area / ratio)
        return _multiple(high * ratio), _multiple(high)


def ratio_of(word: Any) -> float | None:
    """Return the ratio of a word like `3:4`; none for `auto` and the like."""
    wide, _, high = str(word).partition(":")
    return int(wide) / int(high) if wide.isdigit() and high.isdigit() and int(high) else None


def marker_of(given: Mapping[str, Any], *sources: str) -> str:
    """Return the name of a request in the ledger: marker, prompt, seed, or its picture's digest."""
    for name in ("marker", "prompt"):
        if given.get(name):
            return str(given[name])
    if given.get("seed") is not None:
        return str(given["seed"])
    return picture_marker(sources[0]) if sources else ""


def picture_marker(source: str) -> str:
    """Return the digest of a picture's bytes, or of its URL without the query."""
    content = inline_content(source)
    if content is None:
        content = source.partition("?")[0].encode(errors="surrogatepass")
    return "picture:" + hashlib.sha256(content).hexdigest()[:16]


def is_data_url(source: str) -> bool:
    """Tell whether a source is a data URL."""
    return source.startswith(_DATA)


def inline_content(source: str) -> bytes | None:
    """Return the bytes of a data URL or of plain base64; none for URLs and anything else."""
    text = source.partition(";base64,")[2] if is_data_url(source) else source
    try:
        return base64.b64decode(text, validate=True) if text else None
    except (binascii.Error, ValueError):
        return None


def _multiple(length: float) -> int:
    """Round to a multiple of 16, as the models do."""
    return max(16, round(length / 16) * 16)
