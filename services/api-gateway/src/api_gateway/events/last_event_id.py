"""The position from which a client resumes a stream: the ID of the last event that it has seen."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query
from pydantic import BeforeValidator, Field

_NUMBER = re.compile(r"[0-9]{1,10}")
_HEADER, _PARAMETER = "Last-Event-ID", "last_event_id"


def _as_number(given: Any) -> Any:
    """Return the number in a header or parameter; none if it is empty."""
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
    """The last event that a client has seen."""

    seq: int | None
    """Number of the event; none: the client starts from the first one."""
    loc: tuple[str, str]
    """Location of the number in the request."""


async def resumption(
    header: Annotated[
        LastEventId,
        Header(
            alias=_HEADER,
            description="ID of the last event that was seen; the stream continues after it",
        ),
    ] = None,
    parameter: Annotated[
        LastEventId,
        Query(alias=_PARAMETER, description="Same as the header, for a browser's first request"),
    ] = None,
) -> Resumption:
    """Return the header's value, which browsers set on a reconnect; else the parameter's."""
    if header is not None:
        return Resumption(header, ("header", _HEADER))
    return Resumption(parameter, ("query", _PARAMETER))


Resumed = Annotated[Resumption, Depends(resumption)]
