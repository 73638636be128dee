"""Settings that more than one process needs. Each process builds them once, in its main.

Every field is an environment variable: prefix plus field name in capitals. Production replaces the
embedded stack by setting these, and nothing else.
"""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """Postgres, the system of record."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_DB_", frozen=True)

    url: SecretStr = SecretStr("postgresql+asyncpg://sartiq@127.0.0.1:5432/sartiq")
    """SQLAlchemy URL with the asyncpg driver, credentials included."""
    pool_size: int = Field(default=10, ge=1)
    """Connections held open by this process."""
    pool_overflow: int = Field(default=10, ge=0)
    """Connections opened beyond the pool under load, closed afterwards."""


class StorageSettings(BaseSettings):
    """The S3-compatible object store that holds every picture."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_S3_", frozen=True)

    endpoint: str = "127.0.0.1:8333"
    """Host and port, without scheme."""
    access_key: SecretStr = SecretStr("")
    """Access key id."""
    secret_key: SecretStr = SecretStr("")
    """Secret access key."""
    bucket: str = "sartiq"
    """The one bucket; it must exist."""
    region: str = "us-east-1"
    """Region that requests are signed for."""
    is_secure: bool = False
    """TLS to the endpoint."""
    public_endpoint: str = ""
    """Host and port by which clients' browsers reach the store; empty: the endpoint itself."""
    is_public_secure: bool = True
    """TLS to the public endpoint."""


class TemporalSettings(BaseSettings):
    """The Temporal server."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_TEMPORAL_", frozen=True)

    address: str = "127.0.0.1:7233"
    """Frontend host and port."""
    namespace: str = "default"
    """Namespace; the search attributes of `shared.temporal.search` must be registered in it."""
    api_key: SecretStr | None = None
    """API key of Temporal Cloud; none: no authentication."""
    is_tls: bool = False
    """TLS to the frontend."""


class ModelSettings(BaseSettings):
    """The local FLUX model: which weights the worker loads, and which sizes the gateway admits."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_MODEL_", frozen=True)

    source: str = ""
    """Folder in diffusers format, or hub id; empty: the packaged small model, swatch."""
    native_px: int = Field(default=0, ge=0)
    """Side that the model was trained at, in pixels; 0: 64 for swatch, else 1024."""
    max_px: int = Field(default=0, ge=0)
    """Longest side that it may generate, in pixels; 0: 64 for swatch, else twice native."""
    default_steps: int = Field(default=0, ge=0)
    """Denoise steps where a request names none; 0: 8 for swatch, else 28."""

    @property
    def native_side_px(self) -> int:
        """The side the model was trained at, in pixels."""
        return self.native_px or (1024 if self.source else 64)

    @property
    def max_side_px(self) -> int:
        """The longest side it may generate, in pixels."""
        return self.max_px or self.native_side_px * (2 if self.source else 1)

    @property
    def num_default_steps(self) -> int:
        """Denoise steps where a request names none."""
        return self.default_steps or (28 if self.source else 8)


class ProgressSettings(BaseSettings):
    """Where workers announce `started` and progress: the gateway's internal listener."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_PROGRESS_", frozen=True)

    url: str = ""
    """Base URL of the internal listener; empty: nothing is announced."""
    token: SecretStr = SecretStr("")
    """Worker credential; the gateway compares it in constant time."""


class LogSettings(BaseSettings):
    """How a process logs."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_LOG_", frozen=True)

    level: str = "INFO"
    """Least level that is written."""
    is_json: bool = True
    """One JSON object a line; false: readable lines for a terminal."""
