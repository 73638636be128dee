"""Parts of a request to Gemini. Pure; a malformed request has none of them."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from provider_worker.sandbox.orders import picture_marker

_URL_SAFE = str.maketrans("-_", "+/")
_DATA = "data"


def prompt_of(body: Mapping[str, Any]) -> str:
    """Return the first text."""
    return next((part["text"] for part in _parts(body) if isinstance(part.get("text"), str)), "")


def pictures_in(body: Mapping[str, Any]) -> list[str]:
    """Return the pictures, in base64 with the usual alphabet."""
    blobs = (_object(part, "inlineData") for part in _parts(body))
    return [blob[_DATA].translate(_URL_SAFE) for blob in blobs if isinstance(blob.get(_DATA), str)]


def shown_input(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request for the ledger, with the digests of its pictures in their places."""
    return _shown(body)


def seed_of(body: Mapping[str, Any]) -> int | None:
    """Return the seed."""
    seed = _object(body, "generationConfig").get("seed")
    return seed if isinstance(seed, int) else None


def max_tokens(body: Mapping[str, Any]) -> int | None:
    """Return the limit of the response's tokens."""
    found = _object(body, "generationConfig").get("maxOutputTokens")
    return found if isinstance(found, int) else None


def modalities(body: Mapping[str, Any]) -> list[Any]:
    """Return the kinds of the response."""
    found = _object(body, "generationConfig").get("responseModalities")
    return cast("list[Any]", found) if isinstance(found, list) else []


def ratio(body: Mapping[str, Any]) -> str | None:
    """Return the aspect ratio."""
    return _word(_object(body, "generationConfig", "imageConfig").get("aspectRatio"))


def image_size(body: Mapping[str, Any]) -> str | None:
    """Return the size of pictures."""
    return _word(_object(body, "generationConfig", "imageConfig").get("imageSize"))


def schema_of(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the JSON schema of the response."""
    config = _object(body, "generationConfig")
    return _object(config, "responseJsonSchema") or _object(config, "responseSchema") or None


def _parts(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for content in _objects(body.get("contents")):
        yield from _objects(content.get("parts"))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    for each in cast("list[Any]", value) if isinstance(value, list) else []:
        if isinstance(each, dict):
            yield cast("dict[str, Any]", each)


def _object(within: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for name in path:
        value: Any = within.get(name)
        within = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    return within


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        if isinstance(data := given.get(_DATA), str) and len(given) > 1:
            return given | {_DATA: picture_marker(data.translate(_URL_SAFE))}
        return {name: _shown(each) for name, each in given.items()}
    return [_shown(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value
