"""One attempt to hand an event to its receiver: guarded, signed, without redirects."""

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

UNFORESEEN = "the attempt failed in a way that was not foreseen; it has been logged"


class DeliveryVerdict(StrEnum):
    """What an attempt has come to."""

    TAKEN = "taken"
    NOT_TAKEN = "not_taken"
    """Another attempt may succeed."""
    GONE = "gone"
    """The receiver wants nothing any more."""
    FORBIDDEN = "forbidden"
    """It leads to where nothing is called; no other attempt is made."""
    NOT_SENT = "not_sent"
    """Nothing was sent, and that is not the receiver's fault; another attempt may succeed."""


@dataclass(frozen=True)
class PostResult:
    """How an attempt went."""

    verdict: DeliveryVerdict
    ms: int
    status_code: int | None = None
    error: str | None = None
    retry_after_s: float | None = None


async def post(
    url: str, headers: Mapping[str, str], body: bytes, *, guard: Guard, timeout_s: float
) -> PostResult:
    """Send an event once. Whatever comes of it is an answer, and is never raised.

    What the receiver says is not read.

    Args:
        url: of the receiver.
        headers: signature and content type.
        body: the event.
        guard: what may be called.
        timeout_s: for everything together.
    """
    begun = time.perf_counter()

    def answer(verdict: DeliveryVerdict, error: str | None = None) -> PostResult:
        return PostResult(verdict, round(1000 * (time.perf_counter() - begun)), error=error)

    try:
        async with (
            asyncio.timeout(timeout_s),
            send(OutboundRequest("POST", url, headers, body), guard) as response,
        ):
            ms = round(1000 * (time.perf_counter() - begun))
            return _read(response.status, httpx.Headers(response.headers), ms)
    except TimeoutError:
        return answer(DeliveryVerdict.FAILED, f"no answer within {timeout_s:g} s")
    except ForbiddenUrlError as error:
        return answer(DeliveryVerdict.FORBIDDEN, str(error))
    except FetchError as error:
        return answer(DeliveryVerdict.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 — a stranger's server decides what comes up here
        _log.error("attempt_broke", exc_info=error)
        return answer(DeliveryVerdict.FAILED, UNFORESEEN)


def _read(status: int, headers: httpx.Headers, ms: int) -> PostResult:
    if 200 <= status < 300:
        return PostResult(DeliveryVerdict.DELIVERED, ms, status)
    if status == _GONE:
        return PostResult(DeliveryVerdict.GONE, ms, status, "the receiver answers 410: it is gone")
    if 300 <= status < 400:
        error = f"the receiver answers {status}: redirects are not followed"
        return PostResult(DeliveryVerdict.FAILED, ms, status, error)
    asked = headers.get("retry-after") if status in _ASKS_TO_WAIT else None
    return PostResult(
        DeliveryVerdict.FAILED,
        ms,
        status,
        f"the receiver answers {status}",
        parse_retry_after(asked, datetime.now(UTC)) if asked else None,
    )
