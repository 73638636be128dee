"""The gateway's own settings. What it shares with other processes is in `shared.settings`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.enums import AiProvider


class GatewaySettings(BaseSettings):
    """Listeners and habits of the gateway."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_GATEWAY_", frozen=True)

    host: str = "127.0.0.1"
    """Address of the public listener."""
    port: int = Field(default=8000, ge=1, le=65535)
    """Port of the public listener."""
    internal_host: str = "127.0.0.1"
    """Address of the listener for workers; never to be exposed."""
    internal_port: int = Field(default=8001, ge=1, le=65535)
    """Port of the listener for workers."""
    internal_token: SecretStr = SecretStr("")
    """Credential that workers show there; empty: nobody gets in."""
    answers_create_with_200: bool = False
    """Answer creates with 200 instead of 201, for clients that insist."""
    evaluation_provider: AiProvider = AiProvider.GEMINI
    """Whose model evaluates pictures where a request names none."""
    key_cache_s: float = Field(default=5, ge=0)
    """How long a valid API key is remembered: a revoked one works no longer than this."""
    cancel_wait_s: float = Field(default=2.5, ge=0)
    """How long a cancellation waits for running work to stop before it answers how things stand."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Rate limit of every key or token that has none of its own, per replica; none: no limit."""
    max_queued_per_tenant: int | None = Field(default=None, ge=1)
    """Creates are answered 429 while a tenant has so many tasks and trainings that have not ended.
    One workflow may bring more than are left. None: no limit."""
    max_body_bytes: int = Field(default=72 * 1024 * 1024, ge=1)
    """Largest request body on routes that take pictures, which base64 makes a third larger."""
    max_json_bytes: int = Field(default=2 * 1024 * 1024, ge=1)
    """Largest request body on all other routes. LoRA uploads have their own limits."""
    upload_dir: Path | None = None
    """Folder for uploads on their way to the object store; none: the system's folder for temporary
    files. What a gateway that was killed leaves there, the next one removes."""
    min_free_upload_bytes: int = Field(default=64 * 1024 * 1024, ge=0)
    """A process whose folder for uploads has less than this left is not ready."""
    public_url: str = ""
    """Where clients reach this API, `https://host`: answers carry it in URLs. Empty: such URLs are
    relative to it."""
    image_redirect: Literal["none", "presigned", "cdn"] = "none"
    """How pictures are read: through this API, or by a redirect to the object store or a CDN."""
    image_redirect_expiry_s: int = Field(default=3600, ge=1, le=604_800)
    """How long a presigned URL works."""
    cdn_base_url: str = ""
    """URL under which the CDN serves the bucket; needed for `cdn`. It lets in whoever knows an
    object's key: a saved picture's is as secret as a UUID, and goes with its bytes."""
    drain_timeout_s: int = Field(default=5, ge=1)
    """How long requests may go on after SIGTERM."""

    @model_validator(mode="after")
    def _cdn_is_known(self) -> Self:
        if self.image_redirect == "cdn" and not self.cdn_base_url:
            raise ValueError("image_redirect `cdn` needs cdn_base_url")
        return self


class ListenerSettings(BaseSettings):
    """Limits of a client's connections, authenticated or not; for both listeners."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_GATEWAY_", frozen=True)

    max_head_bytes: int = Field(default=32 * 1024, ge=1024)
    """Largest URL with all headers, in bytes; beyond it 431."""
    max_target_bytes: int = Field(default=8 * 1024, ge=256)
    """Longest URL as sent, in bytes; beyond it 414."""
    head_timeout_s: float = Field(default=10, gt=0)
    """Time limit for URL and headers, and for the first byte of a connection; beyond it 408."""
    body_timeout_s: float = Field(default=30, gt=0)
    """Period in which a body must progress by 4 KiB or end; otherwise 408. A body that is still
    arriving after its response is discarded for one period, then the connection is closed."""
    write_timeout_s: float = Field(default=60, gt=0)
    """Period in which a client must read 4 KiB of its response; otherwise it is disconnected."""
    keep_alive_s: int = Field(default=75, ge=1)
    """Time that a connection may stay open between requests. Longer than clients and load
    balancers keep idle connections (httpx 5 s, many balancers 60 s): they must close first, or a
    request sent just then is lost."""
    max_connections_per_address: int | None = Field(default=500, ge=1)
    """Open connections per client address (of IPv6, its /64); beyond it 429. Proxies named in
    FORWARDED_ALLOW_IPS are not counted. None: no limit."""
