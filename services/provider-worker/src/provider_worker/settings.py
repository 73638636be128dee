"""Settings of the providers. The queue of a provider without credentials is not polled."""

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class FalSettings(BaseSettings):
    """Access to fal's queue."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_FAL_", frozen=True)

    key: SecretStr = SecretStr("")
    """API key; if empty, this worker does no work for fal."""
    base_url: AnyHttpUrl = AnyHttpUrl("https://queue.fal.run")
    """The queue. The key is sent to this origin and to no other."""
    poll_interval_s: float = Field(default=0.5, gt=0)
    """Initial interval of status polls of one request; it grows the longer the request takes."""
    submit_timeout_s: float = Field(default=30, gt=0)
    """Timeout of a submission, which is tried once. After it, the outcome is unknown."""
    answer_timeout_s: float = Field(default=15, gt=0)
    """Timeout of all other requests, which are retried."""
    inline_max_bytes: int = Field(default=4 * 1024 * 1024, ge=0)
    """Pictures up to this size are sent inside the request. Larger ones, and LoRAs, are sent as
    presigned URLs of the object store, which fal must be able to reach: `SARTIQ_S3_PUBLIC_URL`."""
    presign_s: int = Field(default=24 * 3600, ge=60, le=7 * 24 * 3600)
    """Validity of those URLs; a request may wait in fal's queue for hours."""

    @property
    def is_configured(self) -> bool:
        """True if there are credentials."""
        return bool(self.key.get_secret_value())
