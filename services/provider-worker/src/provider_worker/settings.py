"""Which providers this worker speaks to, and how. A provider without credentials is not polled."""

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class FalSettings(BaseSettings):
    """fal's queue."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_FAL_", frozen=True)

    key: SecretStr = SecretStr("")
    """API key; empty: this worker does no work for fal."""
    base_url: AnyHttpUrl = AnyHttpUrl("https://queue.fal.run")
    """The queue. The key is sent to this origin and to no other."""
    poll_interval_s: float = Field(default=0.5, gt=0)
    """Between two questions after one request, at first; what takes long is asked less often."""
    submit_timeout_s: float = Field(default=30, gt=0)
    """How long the one try of a submission may take. After that, nobody knows what came of it."""
    answer_timeout_s: float = Field(default=15, gt=0)
    """How long any other answer may take; those are asked for again."""
    inline_max_bytes: int = Field(default=4 * 1024 * 1024, ge=0)
    """Pictures up to this size travel inside the request. Larger ones, and LoRAs, as presigned URLs
    of the object store, which fal must then reach: `SARTIQ_S3_PUBLIC_URL`."""
    presign_s: int = Field(default=24 * 3600, ge=60, le=7 * 24 * 3600)
    """How long those URLs hold; a request may wait in fal's queue for hours."""

    @property
    def is_configured(self) -> bool:
        """Whether there are credentials."""
        return bool(self.key.get_secret_value())
