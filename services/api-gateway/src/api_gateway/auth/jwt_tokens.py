"""Verification of JSON Web Tokens: signature, issuer, audience and lifetime.

The algorithm is the configured one. A token's own `alg` is only compared with it, and its `jku`,
`jwk`, `x5u` and `x5c` are ignored.
"""

from typing import Any, Protocol

import jwt
from jwt.algorithms import AllowedPublicKeys

from api_gateway.auth.claims import TokenError, principal_of
from api_gateway.auth.jwks import JwksKeys
from api_gateway.auth.principal import Principal
from api_gateway.auth.settings import AuthSettings, JwtAlgorithm

_REQUIRED = ("exp", "iss", "aud", "sub")


class KeySource(Protocol):
    """Source of the keys that verify tokens."""

    async def key_for(self, key_id: str | None) -> AllowedPublicKeys | bytes:
        """Return the key that a token names."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class FixedKey:
    """One key from the settings, regardless of the key ID in a token."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def key_for(self, key_id: str | None) -> bytes:
        """Return the key."""
        return self._key

    async def close(self) -> None:
        """Do nothing: there is no connection."""


class TokenVerifier:
    """Verifier of tokens of one issuer, signed with one algorithm."""

    def __init__(self, settings: AuthSettings, algorithm: JwtAlgorithm, keys: KeySource) -> None:
        self._settings, self._algorithm, self._keys = settings, algorithm, keys

    @classmethod
    def from_settings(cls, settings: AuthSettings) -> "TokenVerifier | None":
        """Return the verifier that the settings describe; none if they accept no JWT."""
        algorithm = settings.jwt_algorithm
        if algorithm is None:
            return None
        if settings.jwt_jwks_url:
            return cls(settings, algorithm, JwksKeys(settings, algorithm))
        key = settings.jwt_public_key or settings.jwt_secret.get_secret_value()
        return cls(settings, algorithm, FixedKey(key.encode()))

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token.

        Raises:
            TokenError: the token is refused.
            Problem: 503, the issuer's keys are unavailable.
        """
        key = await self._keys.key_for(self._key_id(token))
        settings = self._settings
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[self._algorithm],
                audience=settings.jwt_audience,
                issuer=settings.jwt_issuer,
                leeway=settings.jwt_leeway_s,
                options={"require": list(_REQUIRED)},
            )
        except jwt.PyJWTError as error:
            raise TokenError(_reason(error)) from error
        return principal_of(claims, settings)

    async def close(self) -> None:
        """Close connections."""
        await self._keys.close()

    def _key_id(self, token: str) -> str | None:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise TokenError("the token is malformed") from error
        if header.get("alg") != self._algorithm:
            raise TokenError(f"tokens must be signed with {self._algorithm.value}")
        key_id: str | None = header.get("kid")
        return key_id


def _reason(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "the token has expired"
        case jwt.ImmatureSignatureError():
            return "the token is not valid yet"
        case jwt.InvalidAudienceError():
            return "the token is meant for another audience"
        case jwt.InvalidIssuerError():
            return "the token is another issuer's"
        case jwt.MissingRequiredClaimError():
            return f"the token lacks the claim `{error.claim}`"
        case _:
            return "the token is malformed or its signature is wrong"
