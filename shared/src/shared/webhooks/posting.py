"""One HTTP request with an event to its receiver, guarded; redirects are not followed."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import httpx
import structlog

from shared.egress.errors import FetchError, ForbiddenUrlError
from shared.egress.guard import Guard
from shared.egress.retry_after import parse_retry_after
from shared.egress.sending import OutboundRequest, send

_log = structlog.stdlib.get_logger(__name__)

_GONE = 410
_ASKS_TO_WAIT = frozenset({429, 503})

UNFORESEEN = "the attempt failed with an unexpected error; the platform has logged it"


class DeliveryVerdict(StrEnum):
    """The outcome of a delivery attempt."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """A retry may succeed."""
    GONE = "gone"
    """The receiver responded with 410 Gone: it must not get more events."""
    FORBIDDEN = "forbidden"
    """The URL is not allowed, for example a private address; there is no retry."""
    NOT_SENT = "not_sent"
    """Nothing was sent, for a reason other than the receiver; a retry may succeed."""


@dataclass(frozen=True)
class PostResult:
    """The result of a delivery attempt."""

    verdict: DeliveryVerdict
    ms: int
    status_code: int | None = None
    error: str | None = None
    retry_after_s: float | None = None


async def post(
    url: str, headers: Mapping[str, str], body: bytes, *, guard: Guard, timeout_s: float
) -> PostResult:
    """POST an event once. Errors are returned, never raised.

    The body of the response is not read.

    Args:
        url: of the receiver.
        headers: signature and content type.
        body: the event.
        guard: decides which addresses may be called.
        timeout_s: for the whole request.
    """
    begun = time.perf_counter()

    def result(verdict: DeliveryVerdict, error: str | None = None) -> PostResult:
        return PostResult(verdict, round(1000 * (time.perf_counter() - begun)), error=error)

    try:
        async with (
            asyncio.timeout(timeout_s),
            send(OutboundRequest("POST", url, headers, body), guard) as response,
        ):
            ms = round(1000 * (time.perf_counter() - begun))
            return _read(response.status, httpx.Headers(response.headers), ms)
    except TimeoutError:
        return result(DeliveryVerdict.FAILED, f"no response within {timeout_s:g} s")
    except ForbiddenUrlError as error:
        return result(DeliveryVerdict.FORBIDDEN, str(error))
    except FetchError as error:
        return result(DeliveryVerdict.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 — the receiver is untrusted and may cause any error
        _log.error("attempt_broke", exc_info=error)
        return result(DeliveryVerdict.FAILED, UNFORESEEN)


def _read(status: int, headers: httpx.Headers, ms: int) -> PostResult:
    if 200 <= status < 300:
        return PostResult(DeliveryVerdict.DELIVERED, ms, status)
    if status == _GONE:
        return PostResult(DeliveryVerdict.GONE, ms, status, "the receiver returned 410 Gone")
    if 300 <= status < 400:
        error = f"the receiver returned {status}; redirects are not followed"
        return PostResult(DeliveryVerdict.FAILED, ms, status, error)
    asked = headers.get("retry-after") if status in _ASKS_TO_WAIT else None
    return PostResult(
        DeliveryVerdict.FAILED,
        ms,
        status,
        f"the receiver returned {status}",
        parse_retry_after(asked, datetime.now(UTC)) if asked else None,
    )
