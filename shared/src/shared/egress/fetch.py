"""Downloads from URLs that clients name, with limits on size and time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpcore
import httpx

from shared.contracts.enums import ErrorCategory
from shared.egress.errors import FetchError, ForbiddenUrlError, TooLargeError
from shared.egress.guard import STRICT, Guard
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


@dataclass(frozen=True)
class Pace:
    """The minimal speed of a response: slow ones would block a slot and memory for too long."""

    head_s: float = 20.0
    """Timeout until the response headers are complete, including DNS and connection, in seconds."""
    num_bytes: int = 64 * 1024
    """After that, this many bytes of the body, or the rest of it, must arrive …"""
    within_s: float = 10.0
    """… within each period of this many seconds."""


PACE = Pace()


@dataclass(frozen=True)
class Fetched:
    """A downloaded file."""

    content: bytes
    content_type: str
    """Media type in lower case, without parameters; empty if the response has none."""
    final_url: str
    """URL after redirects."""


async def fetch(
    url: str,
    *,
    max_bytes: int,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    guard: Guard = STRICT,
    pace: Pace = PACE,
) -> Fetched:
    """GET a URL, following up to five redirects, each of which is guarded as well.

    Args:
        url: http or https.
        max_bytes: maximal size of the body.
        timeout_s: for the whole download, including DNS and redirects.
        headers: request headers; credentials are only sent to the origin of `url`.
        guard: decides which addresses may be called.
        pace: minimal speed of each response.

    Raises:
        ForbiddenUrlError: the URL or a redirect may not be called.
        FetchError: there was no response, or no usable one.
    """
    sent = {"Accept": "*/*", "Accept-Encoding": "identity", **(headers or {})}
    request = OutboundRequest("GET", url, sent)
    try:
        async with asyncio.timeout(timeout_s):
            for _ in range(_MAX_REDIRECTS + 1):
                found = await _visit(request, max_bytes, guard, pace)
                if isinstance(found, Fetched):
                    return found
                request = found
    except TimeoutError as error:
        raise FetchError(
            f"the URL was not fetched within {timeout_s:g} s", category=ErrorCategory.TIMEOUT
        ) from error
    raise _unusable(f"the URL redirects more than {_MAX_REDIRECTS} times")


async def _visit(
    request: OutboundRequest, max_bytes: int, guard: Guard, pace: Pace
) -> Fetched | OutboundRequest:
    """Return the downloaded file, or the request that a redirect leads to."""
    try:
        async with (
            asyncio.timeout(pace.head_s) as deadline,
            send(request, guard) as response,
        ):
            headers = httpx.Headers(response.headers)
            if response.status in _REDIRECTS and "location" in headers:
                return _redirected(request, headers["location"])
            _check_status(response.status, headers)
            _check_head(headers, max_bytes)
            content = await _read(response, max_bytes, pace, deadline)
            content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
            return Fetched(content, content_type, request.url)
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
    response: httpcore.Response, max_bytes: int, pace: Pace, deadline: asyncio.Timeout
) -> bytes:
    clock = asyncio.get_running_loop().time
    content, due = bytearray(), pace.num_bytes
    deadline.reschedule(clock() + pace.within_s)
    async for chunk in response.aiter_stream():
        content += chunk
        if len(content) > max_bytes:
            raise _too_large(max_bytes)
        if len(content) >= due:
            due = len(content) + pace.num_bytes
            deadline.reschedule(clock() + pace.within_s)
    return bytes(content)


def _too_large(max_bytes: int) -> TooLargeError:
    return TooLargeError(f"the file at the URL has more than {max_bytes} bytes")


def _unusable(message: str) -> FetchError:
    return FetchError(message, category=ErrorCategory.VALIDATION)
