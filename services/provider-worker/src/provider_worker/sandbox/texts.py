"""Texts and data as the sandbox's language models write them: deterministic, from the pictures."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageFilter, ImageStat, UnidentifiedImageError

from provider_worker.sandbox.filling import Filler
from provider_worker.sandbox.pictures import BadPictureError

_BYTES_A_TOKEN = 4
_PLAIN = 0.1
"""Detail up to which a picture shows nobody."""
_COLOURS: Mapping[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (200, 30, 30),
    "green": (30, 150, 60),
    "blue": (40, 60, 200),
    "yellow": (230, 210, 50),
    "brown": (130, 80, 40),
}


@dataclass(frozen=True)
class Seen:
    """Statistics of the pictures of a request.

    Attributes:
        sizes: width and height of each.
        colour: the nearest word for the mean colour of the first.
        brightness: its mean, 0 to 1.
        detail: strength of its edges, 0 to 1.
        seed: a number that another picture or prompt changes.
    """

    sizes: Sequence[tuple[int, int]]
    colour: str
    brightness: float
    detail: float
    seed: int


def seen(prompt: str, pictures: Sequence[bytes]) -> Seen:
    """Return the statistics of a request's pictures.

    Raises:
        BadPictureError: one cannot be read.
    """
    digest = hashlib.sha256(prompt.encode(errors="surrogatepass"))
    sizes: list[tuple[int, int]] = []
    first = Image.new("RGB", (8, 8))
    for index, content in enumerate(pictures):
        digest.update(content)
        picture = _read(content)
        sizes.append(picture.size)
        first = picture if index == 0 else first
    small = first.convert("RGB").resize((64, 64))
    red, green, blue = ImageStat.Stat(small).mean
    edges = ImageStat.Stat(small.convert("L").filter(ImageFilter.FIND_EDGES)).mean[0]
    return Seen(
        sizes=sizes,
        colour=min(_COLOURS, key=lambda name: _distance(_COLOURS[name], (red, green, blue))),
        brightness=round((red + green + blue) / 765, 3),
        detail=round(min(1.0, edges / 64), 3),
        seed=int.from_bytes(digest.digest()[:6]),
    )


def reply_text(
    prompt: str, pictures: Sequence[bytes] = (), schema: Mapping[str, Any] | None = None
) -> str:
    """Return a model's reply: a sentence, or JSON that follows a schema.

    Args:
        prompt: the user's text.
        pictures: files that the user shows.
        schema: JSON schema of the reply; none: a sentence.

    Raises:
        BadPictureError: a picture cannot be read.
    """
    found = seen(prompt, pictures)
    if schema is None:
        return _sentence(prompt, found)
    return json.dumps(filled(schema, found), ensure_ascii=False)


def filled(schema: Mapping[str, Any], found: Seen) -> Any:
    """Return data that follows a JSON schema, by its types and enums, from the statistics."""
    people = 1 if found.detail > _PLAIN else 0
    return Filler(schema, found.colour, found.seed, people).value(schema, "", 0)


def count_tokens(content: bytes | str) -> int:
    """Return the tokens of a content: one for four bytes, at least one."""
    size = len(content.encode(errors="surrogatepass") if isinstance(content, str) else content)
    return max(1, -(-size // _BYTES_A_TOKEN))


def _read(content: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        raise BadPictureError("the picture cannot be read") from error


def _distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _sentence(prompt: str, found: Seen) -> str:
    about = " ".join(prompt.split())[:60]
    if not found.sizes:
        return f"There is no picture. You asked: {about}"
    sizes = ", ".join(f"{width}x{height}" for width, height in found.sizes)
    return f"A {found.colour} picture ({sizes}). You asked: {about}"
