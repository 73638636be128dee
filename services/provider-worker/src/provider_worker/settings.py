"""Settings of the providers. The queue of a provider without credentials is not polled."""

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProviderSettings(BaseSettings):
    """Access to a provider's queue, and its limits."""

    key: SecretStr = SecretStr("")
    """API key; if empty, this worker does no work for the provider."""
    base_url: AnyHttpUrl
    """Origin of the API. The key is sent to this origin and to no other."""
    submit_timeout_s: float = Field(default=30, gt=0, le=60)
    """Timeout of a submission, which is tried once. After it, the outcome is unknown."""
    answer_timeout_s: float = Field(default=15, gt=0)
    """Timeout of all other requests, which are retried."""
    inline_max_bytes: int = Field(default=4 * 1024 * 1024, ge=0)
    """Pictures up to this size are sent inside the request. Larger ones are sent as presigned URLs
    of the object store, which the provider must be able to reach: `SARTIQ_S3_PUBLIC_URL`."""
    presign_s: int = Field(default=24 * 3600, ge=60, le=7 * 24 * 3600)
    """Validity of those URLs; a request may wait in the provider's queue for hours."""
    submits_per_s: float = Field(default=20, ge=0)
    """Submissions per second of this process, on average. 0: unlimited."""
    submits_burst: int = Field(default=20, ge=1)
    """Submissions that may follow each other at once after a pause."""
    requests_per_minute: float = Field(default=0, ge=0)
    """All other requests of this process, polls included. 0: unlimited."""

    @property
    def is_configured(self) -> bool:
        """True if there are credentials."""
        return bool(self.key.get_secret_value())


class FalSettings(ProviderSettings):
    """Access to fal's queue."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_FAL_", frozen=True)

    base_url: AnyHttpUrl = AnyHttpUrl("https://queue.fal.run")
    poll_interval_s: float = Field(default=0.5, gt=0)
    """Initial interval of status polls of one request; it grows the longer the request takes."""
    expiration_s: int = Field(default=24 * 3600, ge=3600)
    """Time for which fal keeps result files, which are public until then. The worker copies them as
    soon as the work has ended."""
    garment_fixer_app: str = ""
    """The app that serves `fal_garment_fixer`. Empty: its tasks wait for a worker that has one."""
    shootify_fields: dict[str, str] = {}
    """Fields of the app of `fal_shootify_refiner` by the names of our REST fields, as JSON, where
    they differ; an empty name leaves the field out."""


class FashnSettings(ProviderSettings):
    """Access to FASHN's API."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_FASHN_", frozen=True)

    base_url: AnyHttpUrl = AnyHttpUrl("https://api.fashn.ai")
    max_wait_s: int = Field(default=600, ge=1)
    """Longest wait for a result, in seconds, from the submission."""


class MagnificSettings(ProviderSettings):
    """Access to Magnific's API, formerly Freepik's: both hosts and both key headers work alike."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_MAGNIFIC_", frozen=True)

    base_url: AnyHttpUrl = AnyHttpUrl("https://api.magnific.com")
    key_header: str = Field(default="x-magnific-api-key", pattern=r"^[a-z][a-z-]{0,60}$")
    """`x-freepik-api-key` for `https://api.freepik.com`."""
    poll_interval_s: float = Field(default=5, gt=0)
    requests_per_minute: float = Field(default=50, ge=0)
    """Magnific permits 50 requests a minute in all; each process has this many."""
    flavor: str = Field(default="photo", pattern=r"^[a-z_]{1,40}$")
    """Flavor of the precision upscaler: `sublime`, `photo` or `photo_denoiser`."""
