"""Bounded rendering of the faults of a request: the first ones, and the number of the others.

A request of a few KiB can have a hundred thousand faults, each of which may quote it.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

MAX_FAULTS = 50
MAX_BYTES = 60 * 1024
"""Largest size of the list as JSON."""
_MAX_MESSAGE = 1000
_MAX_NAME = 200
_MAX_NAMED = 10
_MAX_DEPTH = 20
_ELLIPSIS = "…"


def bounded_faults(faults: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the first faults, each with `loc`, `msg` and `type`, and a count of the others."""
    listed: list[dict[str, Any]] = []
    size_bytes = 0
    for fault in faults[:MAX_FAULTS]:
        one = _bounded_fault(fault)
        size_bytes += len(json.dumps(one, ensure_ascii=False).encode())
        if size_bytes > MAX_BYTES:
            break
        listed.append(one)
    if left := len(faults) - len(listed):
        message = f"{left} more faults are not listed"
        listed.append({"loc": ["body"], "msg": message, "type": "more_faults"})
    return listed


def clipped(text: str, longest: int = _MAX_MESSAGE) -> str:
    """Return a text cut to a length, with lone surrogates replaced."""
    if len(text) > longest:
        text = text[: longest - 1] + _ELLIPSIS
    return text.encode(errors="replace").decode()


def named(names: Sequence[str], *, between: str = ", ") -> str:
    """Return the first few names for a message, and the number of the others."""
    listed = between.join(clipped(name, _MAX_NAME) for name in names[:_MAX_NAMED])
    left = len(names) - _MAX_NAMED
    return f"{listed} and {left} more" if left > 0 else listed


def _bounded_fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    place = [part if isinstance(part, int) else clipped(part, _MAX_NAME) for part in fault["loc"]]
    return {"loc": place[:_MAX_DEPTH], "msg": clipped(fault["msg"]), "type": fault["type"]}
