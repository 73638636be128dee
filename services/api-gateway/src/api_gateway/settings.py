"""Settings of the gateway alone; settings of several processes are in `shared.settings`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.evaluation import EvaluationProvider


class GatewaySettings(BaseSettings):
    """Settings of the listeners, of requests and of responses."""

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
    """Bearer token of workers on the internal listener; empty: every request is refused."""
    answers_create_with_200: bool = False
    """Respond to creates with 200 instead of 201, for clients that require it."""
    evaluation_provider: EvaluationProvider = EvaluationProvider.AUTO
    """Provider that evaluates images if a request names none."""
    key_cache_s: float = Field(default=5, ge=0)
    """Seconds that a valid API key is cached; a revoked key works no longer than this."""
    cancel_wait_s: float = Field(default=2.5, ge=0)
    """Seconds that a cancellation waits for running work to stop before it responds."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Rate limit per replica of every key or token without one of its own; none: no limit."""
    max_queued_per_tenant: int | None = Field(default=None, ge=1)
    """Number of unfinished tasks and trainings from which a tenant's creates get 429. A single
    workflow may exceed it. None: no limit."""
    max_body_bytes: int = Field(default=72 * 1024 * 1024, ge=1)
    """Largest request body on routes that take images; base64 makes them a third larger."""
    max_json_bytes: int = Field(default=2 * 1024 * 1024, ge=1)
    """Largest request body on all other routes. LoRA uploads have their own limits."""
    upload_dir: Path | None = None
    """Folder for uploads on their way to the object store; none: the system's temporary folder.
    The next process removes the files of one that was killed."""
    min_free_upload_bytes: int = Field(default=64 * 1024 * 1024, ge=0)
    """Free space in the upload folder below which the process is not ready."""
    public_url: str = ""
    """Base URL of this API as clients see it, `https://host`, for URLs in responses. Empty: such
    URLs are relative."""
    image_redirect: Literal["none", "presigned", "cdn"] = "none"
    """Delivery of image reads: by this API, or by a redirect to the object store or a CDN."""
    image_redirect_expiry_s: int = Field(default=3600, ge=1, le=604_800)
    """Seconds until a presigned URL expires."""
    cdn_base_url: str = ""
    """URL under which the CDN serves the bucket; required for `cdn`. It serves anyone who knows an
    object's key; the key of a saved image contains a random UUID and is deleted with its bytes."""
    drain_timeout_s: int = Field(default=5, ge=1)
    """Seconds that open requests may take after SIGTERM."""

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
