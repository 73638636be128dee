"""The log of requests to a provider, shown in the record as `service_requests`."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from shared.contracts.enums import ProviderType
from shared.contracts.service_requests import ServiceRequest

_MAX_ENTRIES = 50
_FAILED_FROM = 300


@dataclass
class Call:
    """One request in progress."""

    method: str
    url: str
    request_id: str | None = None
    status: int | None = None
    """Set once there is a response."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_s: float = field(default_factory=time.monotonic)


class CallLog:
    """The requests of one activity, at most 50.

    A wait polls hundreds of times with the same response. Of successful polls, only the first and
    the last are in the log; failed ones all are. The record then shows the period of polling and
    its disturbances.
    """

    def __init__(self, provider: ProviderType, attempt: int) -> None:
        self._provider = provider
        self._attempt = attempt
        self._entries: list[ServiceRequest] = []
        self._num_polls = 0
        self._last_poll: ServiceRequest | None = None

    @property
    def requests(self) -> list[ServiceRequest]:
        """The entries, oldest first."""
        entries = [*self._entries, self._last_poll] if self._last_poll else self._entries
        return sorted(entries, key=lambda request: request.at)

    def add(self, call: Call, *, is_poll: bool = False) -> None:
        """Add a request that has ended, successfully or not."""
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
        elif len(self._entries) < _MAX_ENTRIES - 1:
            self._entries.append(request)


def shown_url(url: str) -> str:
    """Return a URL without its potentially secret parts: user information, query, fragment."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "(malformed)"
    return str(parsed.copy_with(username=None, password=None, query=None, fragment=None))
