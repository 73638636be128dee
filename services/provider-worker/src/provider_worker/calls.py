"""The calls to a provider as the record shows them: `service_requests`."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

import httpx

from shared.contracts.enums import ProviderType
from shared.contracts.submissions import ServiceRequest

_MAX_KEPT = 50
_FAILED_FROM = 300


@dataclass
class Call:
    """One call that is under way."""

    method: str
    url: str
    request_id: str | None = None
    status: int | None = None
    """Set once there is an answer."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_s: float = field(default_factory=time.monotonic)

    def answered(self, status: int) -> Self:
        """Note the status of the answer."""
        self.status = status
        return self


class CallLog:
    """Collects the calls of one activity.

    A wait asks hundreds of times and is answered alike each time. Of such questions the first and
    the last are kept, and every one that went wrong, so that the record says from when to when fal
    was asked and what disturbed it; at most 50 entries in all.
    """

    def __init__(self, provider: ProviderType, attempt: int) -> None:
        self._provider = provider
        self._attempt = attempt
        self._kept: list[ServiceRequest] = []
        self._num_polls = 0
        self._last_poll: ServiceRequest | None = None

    @property
    def requests(self) -> list[ServiceRequest]:
        """What is kept, in order of time."""
        kept = [*self._kept, self._last_poll] if self._last_poll else self._kept
        return sorted(kept, key=lambda request: request.at)

    def add(self, call: Call, *, is_poll: bool = False) -> None:
        """Note a call that has ended, well or not."""
        request = ServiceRequest(
            provider=self._provider,
            method=call.method,
            url=shown_url(call.url),
            status=call.status,
            duration_ms=max(0, round(1000 * (time.monotonic() - call.began_s))),
            provider_request_id=call.request_id,
            attempt=self._attempt,
            at=call.at,
        )
        is_quiet = is_poll and call.status is not None and call.status < _FAILED_FROM
        self._num_polls += is_quiet
        if is_quiet and self._num_polls > 1:
            self._last_poll = request
        elif len(self._kept) < _MAX_KEPT - 1:
            self._kept.append(request)


def shown_url(url: str) -> str:
    """A URL without what may be secret in it: user information, query and fragment."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "(malformed)"
    return str(parsed.copy_with(username=None, password=None, query=None, fragment=None))
