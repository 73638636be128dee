"""Number of open connections per client address."""

from enum import Enum
from typing import Protocol

from api_gateway.auth.rate_limits import address_name


class Hosts(Protocol):
    """A set of addresses."""

    def __contains__(self, host: str | None, /) -> bool: ...


class Admission(Enum):
    """Treatment of a new connection."""

    SERVED = "served"
    REFUSED = "refused"
    """Refused with a response; the connection lingers until the client has read it."""
    DROPPED = "dropped"
    """Closed without a response: as many again are already being refused."""


class Peers:
    """Connection counts by address, IPv6 by /64.

    Args:
        max_connections: limit per address; none: no limit.
        trusted: proxies, each of which forwards many clients; not counted.
    """

    def __init__(self, max_connections: int | None, trusted: Hosts) -> None:
        self._max, self._trusted = max_connections, trusted
        self._counts: dict[str, int] = {}

    def enter(self, host: str | None) -> Admission:
        """Count a new connection. Each must `leave`, served or not."""
        if self._max is None or not host or host in self._trusted:
            return Admission.SERVED
        name = address_name(host)
        count = self._counts[name] = self._counts.get(name, 0) + 1
        if count > 2 * self._max:
            return Admission.DROPPED
        return Admission.REFUSED if count > self._max else Admission.SERVED

    def leave(self, host: str | None) -> None:
        """Remove a connection from the count."""
        name = address_name(host or "")
        if name in self._counts:
            self._counts[name] -= 1
            if not self._counts[name]:
                del self._counts[name]
