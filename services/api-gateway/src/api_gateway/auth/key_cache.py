"""Cache of valid API keys, which saves a query per request."""

import time

from api_gateway.auth.principal import Principal

_MAX_KEYS = 10_000


class KeyCache:
    """Principals by key hash.

    Args:
        ttl_s: lifetime of an entry in seconds; 0: nothing is cached.
    """

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._entries: dict[str, tuple[float, Principal]] = {}

    def get(self, key_hash: str) -> Principal | None:
        """Return the principal of a key; none if it is not cached or has expired."""
        entry = self._entries.get(key_hash)
        return entry[1] if entry and entry[0] > time.monotonic() else None

    def put(self, key_hash: str, principal: Principal, *, valid_s: float | None = None) -> None:
        """Cache the principal of a key that was just found valid.

        Args:
            key_hash: the key's hash.
            principal: the key's principal.
            valid_s: seconds until the key itself expires; none: it does not.
        """
        if len(self._entries) >= _MAX_KEYS:
            self._entries.clear()
        lives_s = self._ttl_s if valid_s is None else min(self._ttl_s, valid_s)
        self._entries[key_hash] = (time.monotonic() + lives_s, principal)
