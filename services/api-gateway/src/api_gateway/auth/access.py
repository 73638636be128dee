"""What deciding on access keeps between requests: settings, issuer keys, buckets, uses of keys."""

from dataclasses import dataclass, field

from api_gateway.auth.jwt_tokens import TokenVerifier
from api_gateway.auth.last_use import LastUse
from api_gateway.auth.rate_limits import RateLimiter
from api_gateway.auth.settings import AuthSettings


@dataclass(frozen=True)
class Access:
    """One per process."""

    settings: AuthSettings
    tokens: TokenVerifier | None
    """None: no JWT is taken."""
    callers: RateLimiter = field(default_factory=RateLimiter)
    """Requests by credential."""
    failures: RateLimiter = field(default_factory=RateLimiter)
    """Failed authentications by client address."""
    last_use: LastUse = field(default_factory=LastUse)

    @classmethod
    def from_settings(cls, settings: AuthSettings) -> "Access":
        """As the settings describe it."""
        return cls(settings, TokenVerifier.from_settings(settings))

    async def close(self) -> None:
        """Write what is not written yet, and close what is open."""
        await self.last_use.close()
        if self.tokens is not None:
            await self.tokens.close()
