"""Conditional and range requests (RFC 9110). Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import BaseModel, Field

_RANGE = re.compile(r"bytes=\s*(?:(?P<first>\d{1,18})-(?P<last>\d{0,18})|-(?P<suffix>\d{1,18}))\s*")
_TAG = re.compile(r'(?:W/)?("[^"]*")')


class ReadConditions(BaseModel):
    """The request headers of a GET or HEAD that select the response."""

    if_none_match: str = ""
    if_modified_since: str = ""
    if_range: str = ""
    range: str = Field(default="", description="One range of bytes; several get the whole image")


@dataclass(frozen=True)
class Representation:
    """The stored object, for comparison with the request headers."""

    etag: str
    """The entity tag with its quotes."""
    last_modified: datetime
    size_bytes: int


@dataclass(frozen=True)
class Selection:
    """The response: 200, 206 with a range, 304 or 416."""

    status: int
    first: int = 0
    length: int = 0


def select_part(asked: ReadConditions, there: Representation) -> Selection:
    """Select the whole, a range, `not modified` or `range not satisfiable`."""
    if _is_known(asked, there):
        return Selection(304)
    whole = Selection(200, 0, there.size_bytes)
    found = _RANGE.fullmatch(asked.range)
    if found is None or not _may_be_partial(asked.if_range, there):
        return whole
    size = there.size_bytes
    if found["suffix"] is not None:
        length = min(int(found["suffix"]), size)
        return Selection(206, size - length, length) if length else Selection(416)
    first = int(found["first"])
    last = min(int(found["last"] or size - 1), size - 1)
    if found["last"] and int(found["last"]) < first:
        return whole
    return Selection(206, first, last - first + 1) if first < size else Selection(416)


def _is_known(asked: ReadConditions, there: Representation) -> bool:
    """Return whether the client has the object already; an entity tag outweighs a date."""
    if asked.if_none_match:
        return asked.if_none_match.strip() == "*" or there.etag in _TAG.findall(asked.if_none_match)
    since = _date(asked.if_modified_since)
    return since is not None and there.last_modified.replace(microsecond=0) <= since


def _may_be_partial(if_range: str, there: Representation) -> bool:
    """Return whether the client's partial copy is of the same bytes."""
    if not if_range:
        return True
    # Dates are never accepted: bytes may be replaced twice within a date's one second.
    return if_range.strip() == there.etag


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value) if value else None
    except (TypeError, ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found
