"""Remembers valid API keys for a few seconds, so that not every request asks the database."""

import time

from api_gateway.auth.principal import Principal

_MAX_KEYS = 10_000


class KeyCache:
    """Principals by key hash.

    Args:
        ttl_s: how long an entry lives; 0 remembers nothing.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._entries: dict[str, tuple[float, Principal]] = {}

    def get(self, key_hash: str) -> Principal | None:
        """The principal, if it was put here within the time to live."""
        entry = self._entries.get(key_hash)
        return entry[1] if entry and entry[0] > time.monotonic() else None

    def put(self, key_hash: str, principal: Principal) -> None:
        """Remember a principal whose key was just found valid."""
        if len(self._entries) >= _MAX_KEYS:
            self._entries.clear()
        self._entries[key_hash] = (time.monotonic() + self._ttl_s, principal)
