"""The texts in JSON data: found and replaced at any depth. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from shared.contracts.untrusted import STORABLE

Place = tuple[str | int, ...]
"""Names and positions that lead to a value."""


def texts_in(
    value: Any, place: Place = (), levels: int = STORABLE.max_depth
) -> Iterator[tuple[Place, str]]:
    """Yield each text with its place, down to the maximal depth of storable data."""
    if isinstance(value, str):
        yield place, value
    elif levels:
        for name, item in _members(value):
            yield from texts_in(item, (*place, name), levels - 1)


def replace_texts(value: Any, new: Callable[[str], Any], levels: int = STORABLE.max_depth) -> Any:
    """Return a copy with each text that `texts_in` yields replaced, in the same order."""
    if isinstance(value, str):
        return new(value)
    if levels and isinstance(value, list):
        return [replace_texts(item, new, levels - 1) for item in cast("list[Any]", value)]
    if levels and isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {name: replace_texts(item, new, levels - 1) for name, item in members}
    return value


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return a copy with other texts in place of those that are keys of `names`."""
    return replace_texts(value, lambda text: names.get(text, text))


def _members(value: Any) -> Iterable[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).items()
    return enumerate(cast("list[Any]", value)) if isinstance(value, list) else ()
