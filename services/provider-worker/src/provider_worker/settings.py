"""Settings of the providers. The queue of a provider without credentials is not polled."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ApiKey = Annotated[SecretStr, AfterValidator(lambda key: SecretStr(key.get_secret_value().strip()))]
"""An API key. The line break at the end of a file of secrets is no part of it: no header takes it.
"""


class SubmissionSettings(BaseSettings):
    """Credentials of a provider, and limits of its submissions."""

    key: ApiKey = SecretStr("")
    """API key; if empty, this worker does no work for the provider."""
    submits_per_s: float = Field(default=20, ge=0)
    """Submissions per second of this process, on average. 0: unlimited."""
    submits_burst: int = Field(default=20, ge=1)
    """Submissions that may follow each other at once after a pause."""

    @property
    def is_configured(self) -> bool:
        """True if there are credentials."""
        return bool(self.key.get_secret_value())


class ProviderSettings(SubmissionSettings):
    """Access to a provider's queue, and its limits."""

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
    requests_per_minute: float = Field(default=0, ge=0)
    """All other requests of this process, polls included. 0: unlimited."""


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


FASHION = (
    "You are a specialist in fashion photography. Keep each garment exactly as it is shown: its"
    " cut, fabric, colours, pattern, seams, logos and proportions. Keep the person's identity,"
    " face, hair, skin and body. Change nothing but what the request asks for. Hands, faces"
    " and fabric are natural, and the light is consistent."
)
_GEMINI_API, _VERTEX_AI = "https://generativelanguage.googleapis.com", "aiplatform.googleapis.com"
_GLOBAL = "global"


class VertexSettings(SubmissionSettings):
    """Access to Google's Gemini models: the Gemini API, Vertex AI express, or a Vertex project.

    The Gemini API and Vertex express take the key; a project takes a service account, or the
    machine's Application Default Credentials.
    """

    model_config = SettingsConfigDict(
        env_prefix="SARTIQ_VERTEX_", frozen=True, hide_input_in_errors=True
    )

    is_express: bool = False
    """The key is one of Vertex AI express, and not one of the Gemini API."""
    project: str = Field(default="", pattern=r"^[a-z0-9.:-]{0,100}$")
    """Project on Vertex AI, instead of a key."""
    location: str = Field(default=_GLOBAL, pattern=r"^[a-z0-9-]{1,40}$")
    """Location of the project's models."""
    credentials_file: Path | None = None
    """JSON key of a service account for the project. None: Application Default Credentials."""
    base_url: AnyHttpUrl | None = None
    """Origin of the API; none: Google's for this access."""
    image_model: str = Field(default="gemini-3-pro-image", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Model of GENERATION and EDITING, unless a request names one."""
    text_model: str = Field(default="gemini-3.1-pro-preview", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Model of LLM_INTERACTION, unless a request names one."""
    system_instructions: str = FASHION
    """System instructions of requests that have none. Empty: none."""
    max_output_tokens: int = Field(default=8192, ge=1)
    """Limit of a text, and of the thoughts before it."""
    submit_timeout_s: float = Field(default=180, gt=0, le=240)
    """Timeout of a request for pictures, which is sent once. After it, the outcome is unknown."""
    text_timeout_s: float = Field(default=100, gt=0, le=110)
    """Timeout of a request for a text, likewise."""
    request_max_bytes: int = Field(default=20_000_000, ge=2_000_000)
    """Largest request. Pictures that exceed it together are scaled down."""

    @model_validator(mode="after")
    def _check_access(self) -> "VertexSettings":
        if self.project and self.key.get_secret_value():
            raise ValueError("set SARTIQ_VERTEX_KEY or SARTIQ_VERTEX_PROJECT, not both")
        return self

    @property
    def is_configured(self) -> bool:
        """True if there are credentials, or a project, whose identity is that of the machine."""
        return bool(self.project) or super().is_configured

    @property
    def origin(self) -> str:
        """Origin of the API."""
        if self.base_url is not None:
            return str(self.base_url)
        if not self.project and not self.is_express:
            return _GEMINI_API
        is_regional = self.project and self.location != _GLOBAL
        return f"https://{self.location}-{_VERTEX_AI}" if is_regional else f"https://{_VERTEX_AI}"
