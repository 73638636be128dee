"""Where a client that comes back wants to go on: the id of the last event it has seen."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query
from pydantic import BeforeValidator, Field

_NUMBER = re.compile(r"[0-9]{1,10}")
_HEADER, _PARAMETER = "Last-Event-ID", "last_event_id"


def _as_number(given: Any) -> Any:
    """The number that a header or a parameter holds; an empty one says nothing."""
    if not isinstance(given, str):
        return given
    text = given.strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be the id of an event of this stream, a whole number from 0")
    return int(text)


LastEventId = Annotated[
    Annotated[int, Field(ge=0, le=2**31 - 1)] | None, BeforeValidator(_as_number)
]


@dataclass(frozen=True)
class Resumption:
    """What a client says it has seen."""

    seq: int | None
    """None: it says nothing, and gets all there is."""
    loc: tuple[str, str]
    """Where it says so."""


async def resumption(
    header: Annotated[
        LastEventId,
        Header(
            alias=_HEADER,
            description="Id of the last event that was seen; the stream goes on after it",
        ),
    ] = None,
    parameter: Annotated[
        LastEventId,
        Query(alias=_PARAMETER, description="The same, for a first request from a browser"),
    ] = None,
) -> Resumption:
    """The header, which browsers set when they come back to the same URL; else the parameter."""
    if header is not None:
        return Resumption(header, ("header", _HEADER))
    return Resumption(parameter, ("query", _PARAMETER))


Resumed = Annotated[Resumption, Depends(resumption)]
