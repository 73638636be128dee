"""A guarded download: redirects, limits on size, time and pace; the caller keeps the body."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import httpcore
import httpx

from shared.contracts.enums import ErrorCategory
from shared.egress.errors import FetchError, ForbiddenUrlError, TooLargeError
from shared.egress.guard import Guard
from shared.egress.retry_after import parse_retry_after
from shared.egress.sending import OutboundRequest, send
from shared.egress.urls import port_of

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_PASSING = {
    408: ErrorCategory.TIMEOUT,
    425: ErrorCategory.NETWORK,
    429: ErrorCategory.RATE_LIMIT,
}
"""Client errors (4xx) that are temporary."""
_LONGEST_RETRY_AFTER_S = 120.0

Keep: TypeAlias = Callable[[bytes], Coroutine[Any, Any, None]]
"""Receives a piece of the body."""


@dataclass(frozen=True)
class Pace:
    """The minimal speed of a response: slow ones would block a slot and memory for too long."""

    head_s: float = 20.0
    """Timeout until the response headers are complete, including DNS and connection, in seconds."""
    num_bytes: int = 64 * 1024
    """Bytes of the body, or the rest of it, that must arrive …"""
    within_s: float = 10.0
    """… within each period of this many seconds."""


PACE = Pace()


@dataclass(frozen=True)
class Source:
    """The response that a file came from."""

    content_type: str
    """Media type in lower case, without parameters; empty if the response has none."""
    final_url: str
    """URL after redirects."""


@dataclass(frozen=True)
class Limits:
    """The limits of one download."""

    max_bytes: int
    timeout_s: float
    """For the whole download, including DNS and redirects."""
    guard: Guard
    pace: Pace


async def download(url: str, headers: Mapping[str, str], limits: Limits, keep: Keep) -> Source:
    """GET a URL, following up to five redirects, each of which is guarded as well.

    Raises:
        ForbiddenUrlError: the URL or a redirect may not be called.
        FetchError: there was no response, or no usable one.
    """
    sent = {"Accept": "*/*", "Accept-Encoding": "identity", **headers}
    request = OutboundRequest("GET", url, sent)
    try:
        async with asyncio.timeout(limits.timeout_s):
            for _ in range(_MAX_REDIRECTS + 1):
                found = await _visit(request, limits, keep)
                if isinstance(found, Source):
                    return found
                request = found
    except TimeoutError as error:
        raise FetchError(
            f"the URL was not fetched within {limits.timeout_s:g} s", category=ErrorCategory.TIMEOUT
        ) from error
    raise _unusable(f"the URL redirects more than {_MAX_REDIRECTS} times")


async def _visit(request: OutboundRequest, limits: Limits, keep: Keep) -> Source | OutboundRequest:
    """Return the source of the downloaded file, or the request that a redirect leads to."""
    pace = limits.pace
    try:
        async with (
            asyncio.timeout(pace.head_s) as deadline,
            send(request, limits.guard) as response,
        ):
            headers = httpx.Headers(response.headers)
            if response.status in _REDIRECTS and "location" in headers:
                return _redirected(request, headers["location"])
            _check_status(response.status, headers)
            _check_head(headers, limits.max_bytes)
            await _read(response, limits, deadline, keep)
            content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            return Source(content_type, request.url)
    except TimeoutError as error:
        raise FetchError(
            f"the URL responds too slowly: at most {pace.head_s:g} s for the response headers and"
            f" {pace.within_s:g} s for each {pace.num_bytes} bytes of the body are allowed",
            category=ErrorCategory.TIMEOUT,
        ) from error


def _redirected(request: OutboundRequest, location: str) -> OutboundRequest:
    here = httpx.URL(request.url)
    try:
        there = here.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise ForbiddenUrlError("the URL redirects to a malformed URL") from error
    headers = request.headers
    if there.scheme not in {"http", "https"} or _origin(there) != _origin(here):
        headers = {
            name: value for name, value in headers.items() if name.lower() not in _CREDENTIALS
        }
    return replace(request, url=str(there), headers=headers)


def _origin(url: httpx.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, port_of(url)


def _check_status(status: int, headers: httpx.Headers) -> None:
    if 200 <= status < 300:
        return
    category = _PASSING.get(status, ErrorCategory.VALIDATION if status < 500 else None)
    asked_s = parse_retry_after(headers.get("retry-after", ""), datetime.now(UTC))
    raise FetchError(
        f"the URL returned {status}",
        category=category,
        retry_after_s=asked_s and min(asked_s, _LONGEST_RETRY_AFTER_S),
    )


def _check_head(headers: httpx.Headers, max_bytes: int) -> None:
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise _unusable("the response is compressed although no encoding was requested")
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)


async def _read(
    response: httpcore.Response, limits: Limits, deadline: asyncio.Timeout, keep: Keep
) -> None:
    clock, pace = asyncio.get_running_loop().time, limits.pace
    size_bytes, due = 0, pace.num_bytes
    deadline.reschedule(clock() + pace.within_s)
    async for chunk in response.aiter_stream():
        size_bytes += len(chunk)
        if size_bytes > limits.max_bytes:
            raise _too_large(limits.max_bytes)
        await keep(chunk)
        if size_bytes >= due:
            due = size_bytes + pace.num_bytes
            deadline.reschedule(clock() + pace.within_s)


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(f"the file at the URL has more than {max_bytes} bytes")


def _unusable(message: str) -> FetchError:
    return FetchError(message, category=ErrorCategory.VALIDATION)
