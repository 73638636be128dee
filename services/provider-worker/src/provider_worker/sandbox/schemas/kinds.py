"""Kinds of input fields: a word of the tables, and the type that checks it."""

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

PRESETS = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
"""fal's named sizes."""
_OR_NULL, _REQUIRED, _ONE_OF = " or null", "required ", "one of "


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ImageSize(_Part):
    """A size in pixels."""

    width: int = Field(default=512, gt=0, le=14142)
    height: int = Field(default=512, gt=0, le=14142)


class LoraWeight(_Part):
    """A LoRA and its weight."""

    path: str
    scale: float = 1.0
    force: bool = False


_PLAIN: dict[str, Any] = {
    "string": str,
    "strings": list[str],
    "boolean": bool,
    "integer": int,
    "number": float,
    "loras": list[LoraWeight],
    "objects": list[dict[str, Any]],
}


def field_of(spec: str) -> tuple[Any, Any]:
    """Return the type and the default (`...` where the field is required) of a kind."""
    is_required, is_nullable = spec.startswith(_REQUIRED), spec.endswith(_OR_NULL)
    kind = _type_of(spec.removeprefix(_REQUIRED).removesuffix(_OR_NULL))
    return (kind | None if is_nullable else kind), (... if is_required else None)


def _type_of(kind: str) -> Any:
    if kind.startswith(_ONE_OF):
        return _choice(kind.removeprefix(_ONE_OF).split(" | "))
    word, *options = kind.split()
    if word == "size":
        return ImageSize | _choice([*PRESETS, *options])
    plain = _PLAIN[word]
    if not options:
        return plain
    low, high = options[0].split("..")
    number = int if word == "integer" else float
    return Annotated[plain, Field(ge=number(low), le=number(high))]


def _choice(words: list[str]) -> Any:
    return cast("Any", Literal).__getitem__(tuple(words))
