"""The issuer's published keys, fetched on demand with a minimum interval."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import jwt
import structlog
from jwt.algorithms import AllowedPublicKeys
from pydantic import BaseModel, ConfigDict

from api_gateway.auth.claims import TokenError
from api_gateway.auth.settings import AuthSettings, JwtAlgorithm, check_public_key
from api_gateway.errors import unavailable

_log = structlog.stdlib.get_logger(__name__)

_MAX_BYTES = 256 * 1024

_NamedKey: TypeAlias = tuple[str | None, AllowedPublicKeys]


class JwksKeys:
    """Keys by ID from a JWKS URL."""

    def __init__(
        self,
        settings: AuthSettings,
        algorithm: JwtAlgorithm,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._algorithm, self._clock = settings, algorithm, clock
        # Environment proxies must not apply to loopback; elsewhere they may be the only way out.
        is_remote = settings.jwt_jwks_url.startswith("https:")
        self._client = httpx.AsyncClient(
            timeout=settings.jwks_timeout_s,
            trust_env=is_remote,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )
        self._keys: list[_NamedKey] = []
        self._fetched_at = self._tried_at = float("-inf")
        self._is_failing = False
        self._fetching: asyncio.Task[None] | None = None

    async def key_for(self, key_id: str | None) -> AllowedPublicKeys:
        """Return the key that a token names; the only one if it names none.

        Raises:
            TokenError: the issuer has no such key.
            Problem: 503, the issuer does not respond and the key is not cached.
        """
        key = self._find(key_id)
        if key is not None and self._age_s() <= self._settings.jwks_cache_s:
            return key
        await self._refresh()
        key = self._find(key_id)
        if key is not None and self._age_s() <= self._settings.jwks_stale_s + (
            self._settings.jwks_cache_s
        ):
            return key
        if self._is_failing:
            raise unavailable("the token issuer's key set")
        raise TokenError("the token is signed by no key of its issuer")

    async def close(self) -> None:
        """Close the connection."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self._client.aclose()

    def _age_s(self) -> float:
        return self._clock() - self._fetched_at

    def _find(self, key_id: str | None) -> AllowedPublicKeys | None:
        if key_id is None:
            return self._keys[0][1] if len(self._keys) == 1 else None
        return next((key for known_id, key in self._keys if known_id == key_id), None)

    async def _refresh(self) -> None:
        if self._fetching is None or self._fetching.done():
            now = self._clock()
            if now - self._tried_at < self._settings.jwks_min_interval_s:
                return
            self._tried_at = now
            self._fetching = asyncio.create_task(self._fetch())
        # Shielded: a cancelled request must not cancel the fetch for the other waiting requests.
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(self._settings.jwks_timeout_s):
                content = await self._read()
            keys = _usable_keys(content, self._algorithm)
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            self._is_failing = True
            _log.warning("jwks_not_fetched", error=f"{type(error).__name__}: {error}"[:300])
            return
        self._keys, self._fetched_at, self._is_failing = keys, self._clock(), False

    async def _read(self) -> bytes:
        content = bytearray()
        async with self._client.stream("GET", self._settings.jwt_jwks_url) as response:
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > _MAX_BYTES:
                    raise ValueError(f"the key set is larger than {_MAX_BYTES} bytes")
        return bytes(content)


class _KeySet(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    keys: list[dict[str, Any]]


def _usable_keys(content: bytes, algorithm: JwtAlgorithm) -> list[_NamedKey]:
    keys: list[_NamedKey] = []
    for entry in _KeySet.model_validate_json(content).keys:
        key = _usable_key(entry, algorithm)
        if key is not None:
            keys.append((entry.get("kid"), key))
    if not keys:
        raise ValueError(f"the key set has no key for {algorithm}")
    return keys


def _usable_key(entry: dict[str, Any], algorithm: JwtAlgorithm) -> AllowedPublicKeys | None:
    """Return the key of an entry; none if it has another purpose or is too weak."""
    if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        key: Any = jwt.PyJWK(entry, algorithm).key
        check_public_key(algorithm, key)
    except (jwt.PyJWTError, ValueError):
        return None
    return key
