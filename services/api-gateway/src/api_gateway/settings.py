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
    """Largest request; a picture in base64 is a third longer than its bytes."""
    upload_dir: Path | None = None
    """Folder for uploads on their way to the object store; none: the system's folder for temporary
    files. What a gateway that was killed leaves there, the next one removes."""
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
