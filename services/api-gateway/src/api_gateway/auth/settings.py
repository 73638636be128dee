"""Settings of authentication: accepted JWTs, and the limit on failed attempts."""

from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LEAST_RSA_BITS = 2048
_LEAST_SECRET_BYTES = 32
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class JwtAlgorithm(StrEnum):
    """Signature algorithm of tokens. The configured one counts, not the token's own claim."""

    HS256 = "HS256"
    RS256 = "RS256"
    ES256 = "ES256"


class AuthSettings(BaseSettings):
    """Settings of authentication. Without `jwt_algorithm` only API keys are accepted."""

    model_config = SettingsConfigDict(
        env_prefix="SARTIQ_AUTH_", frozen=True, hide_input_in_errors=True
    )

    jwt_algorithm: JwtAlgorithm | None = None
    """HS256, RS256 or ES256; none: no JWT is accepted."""
    jwt_secret: SecretStr = SecretStr("")
    """HS256: the shared secret, 32 bytes at least."""
    jwt_public_key: str = ""
    """RS256, ES256: the issuer's public key in PEM. This or `jwt_jwks_url`."""
    jwt_jwks_url: str = ""
    """RS256, ES256: URL of the issuer's key set; https, or http on loopback."""
    jwt_issuer: str = ""
    """Required value of `iss`."""
    jwt_audience: str = ""
    """Value that `aud` must be or contain."""
    jwt_leeway_s: float = Field(default=10, ge=0, le=300)
    """Allowed difference between the issuer's clock and ours, for `exp`, `nbf` and `iat`."""
    jwt_scope_claims: tuple[str, ...] = ("scope", "scopes")
    """Claims that may hold the scopes, as a list or a space-separated string; the first present
    one counts. Set as JSON: `["scp"]`. Scopes other than `compute` and `admin` are ignored."""
    jwt_instance_claim: str = "origin_instance"
    """Claim that binds the token to an instance."""
    jwt_tenant_claim: str = "origin_tenant_id"
    """Claim that binds the token to a tenant of that instance."""
    jwt_requires_instance: bool = True
    """Refuse tokens that are bound to no instance and would see every tenant's rows, except an
    administrator's."""

    jwks_cache_s: float = Field(default=600, gt=0)
    """Seconds after which keys are fetched again."""
    jwks_min_interval_s: float = Field(default=30, gt=0)
    """Minimum seconds between two fetches, regardless of the key IDs in tokens."""
    jwks_stale_s: float = Field(default=24 * 3600, ge=0)
    """Seconds that cached keys remain valid while the issuer does not respond."""
    jwks_timeout_s: float = Field(default=3, gt=0)
    """Timeout of one fetch in seconds."""

    failures_per_minute: int | None = Field(default=None, ge=1)
    """Failed authentications per minute and client address (of IPv6, its /64); beyond it every
    request from there gets 429. None: no limit. Behind a proxy, FORWARDED_ALLOW_IPS must name the
    proxy, or all clients count as one address."""

    @model_validator(mode="after")
    def _jwt_is_whole(self) -> Self:
        if self.jwt_algorithm is None:
            return self
        if not self.jwt_issuer or not self.jwt_audience:
            raise ValueError("jwt_issuer and jwt_audience are needed where jwt_algorithm is set")
        if self.jwt_algorithm is JwtAlgorithm.HS256:
            if self.jwt_public_key or self.jwt_jwks_url:
                raise ValueError("HS256 takes only jwt_secret")
            if len(self.jwt_secret.get_secret_value().encode()) < _LEAST_SECRET_BYTES:
                raise ValueError(f"jwt_secret must have {_LEAST_SECRET_BYTES} bytes at least")
            return self
        if self.jwt_secret.get_secret_value() or bool(self.jwt_public_key) == bool(
            self.jwt_jwks_url
        ):
            raise ValueError(
                f"{self.jwt_algorithm} takes either jwt_public_key or jwt_jwks_url, and no secret"
            )
        if self.jwt_public_key:
            check_public_key(self.jwt_algorithm, _parsed(self.jwt_public_key))
        elif not is_safe_url(self.jwt_jwks_url):
            raise ValueError("jwt_jwks_url must be https://…, or http:// on loopback")
        return self


def check_public_key(algorithm: JwtAlgorithm, key: object) -> None:
    """Check that a public key has the algorithm's type and sufficient strength.

    Raises:
        ValueError: it does not.
    """
    if algorithm is JwtAlgorithm.RS256:
        if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_RSA_BITS:
            raise ValueError(f"RS256 needs an RSA public key of {LEAST_RSA_BITS} bits at least")
    elif not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("ES256 needs a public key on the curve P-256")


def is_safe_url(url: str) -> bool:
    """Return whether keys may be fetched from a URL: https, or http to a loopback address.

    Such a connection cannot be tampered with.
    """
    parts = urlsplit(url)
    if parts.username is not None or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _parsed(pem: str) -> object:
    try:
        return load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        # Not chained: the parser's message may quote what it was given.
        raise ValueError("jwt_public_key is not a public key in PEM") from None
