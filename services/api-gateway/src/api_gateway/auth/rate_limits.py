"""Rate limits by token bucket, refilled evenly over a minute.

A bucket is one number, the time at which it will be full again (the generic cell rate algorithm):
no timer is needed, and a full bucket need not be stored. Buckets belong to this process. With n
replicas of the gateway behind a load balancer, a caller may make up to n times as many requests.
"""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

_MINUTE_NS = 60 * 10**9
_NS = 10**9


@dataclass(frozen=True)
class Quota:
    """State of a caller's bucket after a request."""

    per_minute: int
    remaining: int
    reset_ns: int
    """Nanoseconds until the bucket is full again."""
    wait_ns: int = 0
    """Nanoseconds until the next request would be accepted; 0: this one was."""

    @property
    def retry_after_s(self) -> int:
        """Whole seconds to wait, at least one."""
        return max(1, -(-self.wait_ns // _NS))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of `draft-ietf-httpapi-ratelimit-headers`."""
        reset_s = -(-self.reset_ns // _NS)
        return {
            "RateLimit-Policy": f'"default";q={self.per_minute};w=60',
            "RateLimit": f'"default";r={self.remaining};t={reset_s}',
        }


def spend(full_at_ns: int, now_ns: int, per_minute: int) -> tuple[int, Quota]:
    """Take one token from a bucket.

    Args:
        full_at_ns: the bucket: the time at which it will be full again.
        now_ns: the current time.
        per_minute: the bucket's capacity, and its refill per minute.

    Returns:
        The bucket afterwards, unchanged if it was empty, and its state.
    """
    each_ns = max(1, _MINUTE_NS // per_minute)
    depth_ns = each_ns * per_minute
    missing_ns = max(0, full_at_ns - now_ns)
    after_ns = missing_ns + each_ns
    if after_ns > depth_ns:
        return full_at_ns, Quota(per_minute, 0, missing_ns, after_ns - depth_ns)
    return now_ns + after_ns, Quota(per_minute, (depth_ns - after_ns) // each_ns, after_ns)


class RateLimiter:
    """Buckets by name.

    Args:
        max_names: maximum number of buckets; beyond it the fullest ones are dropped.
        clock_ns: a monotonic clock in nanoseconds.
    """

    def __init__(
        self, *, max_names: int = 100_000, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._full_at_ns: dict[str, int] = {}
        self._max_names, self._clock_ns = max_names, clock_ns

    def spend(self, name: str, per_minute: int) -> Quota:
        """Take one token from a bucket; `wait_ns` of the result is 0 if there was one."""
        now_ns = self._clock_ns()
        if name not in self._full_at_ns and len(self._full_at_ns) >= self._max_names:
            self._drop_fullest(now_ns)
        after_ns, quota = spend(self._full_at_ns.get(name, 0), now_ns, per_minute)
        self._full_at_ns[name] = after_ns
        return quota

    def peek(self, name: str, per_minute: int) -> Quota:
        """Return the state of a bucket after one more request, without taking a token."""
        _, quota = spend(self._full_at_ns.get(name, 0), self._clock_ns(), per_minute)
        return quota

    def __len__(self) -> int:
        return len(self._full_at_ns)

    def _drop_fullest(self, now_ns: int) -> None:
        kept = {name: full for name, full in self._full_at_ns.items() if full > now_ns}
        if len(kept) >= self._max_names:
            emptiest_first = sorted(kept.items(), key=lambda item: -item[1])
            kept = dict(emptiest_first[: self._max_names // 2])
        self._full_at_ns = kept


def address_name(host: str) -> str:
    """Return the bucket of a client address: IPv6 by /64, the network of one client."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
