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

    def put(self, key_hash: str, principal: Principal, *, valid_s: float | None = None) -> None:
        """Remember a principal whose key was just found valid.

        Args:
            key_hash: the key's hash.
            principal: whom it stands for.
            valid_s: how long the key itself is still valid; none: for good.
        """
        if len(self._entries) >= _MAX_KEYS:
            self._entries.clear()
        lives_s = self._ttl_s if valid_s is None else min(self._ttl_s, valid_s)
        self._entries[key_hash] = (time.monotonic() + lives_s, principal)
