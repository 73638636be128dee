"""Conditional and partial reads (RFC 9110): what of an object a request asks for."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import BaseModel, Field

_RANGE = re.compile(r"bytes=\s*(?:(?P<first>\d{1,18})-(?P<last>\d{0,18})|-(?P<suffix>\d{1,18}))\s*")
_TAG = re.compile(r'(?:W/)?("[^"]*")')


class ReadConditions(BaseModel):
    """The headers of a GET or HEAD that decide how it is answered."""

    if_none_match: str = ""
    if_modified_since: str = ""
    if_range: str = ""
    range: str = Field(default="", description="One range of bytes; several are answered whole")


@dataclass(frozen=True)
class Representation:
    """What there is to be read."""

    etag: str
    """With its quotes."""
    last_modified: datetime
    size_bytes: int


@dataclass(frozen=True)
class Selection:
    """How the request is answered: 200, 206 with a part, 304 or 416."""

    status: int
    first: int = 0
    length: int = 0


def select_part(asked: ReadConditions, there: Representation) -> Selection:
    """Decide between the whole, a part, `not modified` and a part that there is not."""
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
    """Whether the client has it already; an entity tag outweighs a date."""
    if asked.if_none_match:
        return asked.if_none_match.strip() == "*" or there.etag in _TAG.findall(asked.if_none_match)
    since = _date(asked.if_modified_since)
    return since is not None and there.last_modified.replace(microsecond=0) <= since


def _may_be_partial(if_range: str, there: Representation) -> bool:
    """Whether the client's part and ours are of the same bytes."""
    if not if_range:
        return True
    # A date has the grain of a second, in which bytes may have been replaced twice.
    return if_range.strip() == there.etag


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value) if value else None
    except (TypeError, ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found
