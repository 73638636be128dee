"""State of authentication that outlives a request: settings, issuer keys, rate limits, key uses."""

from dataclasses import dataclass, field

from api_gateway.auth.jwt_tokens import TokenVerifier
from api_gateway.auth.last_use import LastUse
from api_gateway.auth.rate_limits import RateLimiter
from api_gateway.auth.settings import AuthSettings


@dataclass(frozen=True)
class Access:
    """The state of one process."""

    settings: AuthSettings
    tokens: TokenVerifier | None
    """The verifier of JWTs; none: no JWT is accepted."""
    callers: RateLimiter = field(default_factory=RateLimiter)
    """Rate limits of requests by credential."""
    failures: RateLimiter = field(default_factory=RateLimiter)
    """Rate limits of failed authentications by client address."""
    last_use: LastUse = field(default_factory=LastUse)

    @classmethod
    def from_settings(cls, settings: AuthSettings) -> "Access":
        """Return the state that the settings describe."""
        return cls(settings, TokenVerifier.from_settings(settings))

    async def close(self) -> None:
        """Write pending key uses, and close connections."""
        await self.last_use.close()
        if self.tokens is not None:
            await self.tokens.close()
