"""Settings of the embedded stack. Each field is an environment variable, `SARTIQ_LOCAL_<FIELD>`.

Only this package reads them. The services read their own settings, which the stack sets here and a
production deployment sets itself.
"""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_state_dir() -> Path:
    """Return `.sartiq` at the root of the checkout, or in the working directory outside of one."""
    here = Path.cwd()
    roots = (folder for folder in (here, *here.parents) if (folder / "infra" / "local").is_dir())
    return next(roots, here) / ".sartiq"


class Providers(StrEnum):
    """Stand-ins for the outside providers."""

    SANDBOX = "sandbox"
    """The sandbox: a server of the stack that speaks like them."""


class LocalSettings(BaseSettings):
    """Settings of a stack on one machine."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_LOCAL_", frozen=True)

    state_dir: Path = Field(default_factory=default_state_dir)
    """Folder of all state: data, credentials, logs. Other tools may have folders in it."""
    host: str = "127.0.0.1"
    """Address that every server binds."""
    providers: Providers | None = None
    """Stand-in for the outside providers. None: none; the provider worker starts if a
    provider has a key, and calls the provider itself."""

    gateway_port: int = Field(default=0, ge=0, le=65535)
    """The public API. 0 in any port field: the port of the last start if free, else a free one."""
    gateway_internal_port: int = Field(default=0, ge=0, le=65535)
    """The gateway's listener for workers."""
    temporal_port: int = Field(default=0, ge=0, le=65535)
    """Temporal's frontend."""
    temporal_ui_port: int = Field(default=0, ge=0, le=65535)
    """Temporal's Web UI."""
    postgres_port: int = Field(default=0, ge=0, le=65535)
    """Postgres."""
    sandbox_port: int = Field(default=0, ge=0, le=65535)
    """The providers' sandbox."""
    s3_port: int = Field(default=0, ge=0, le=55535)
    """The S3 endpoint; the port 10000 above it is used as well."""

    database: str = "sartiq"
    """Database that is created."""
    database_user: str = "sartiq"
    """Role that owns it; takes effect at the first start."""
    bucket: str = "sartiq"
    """Bucket that is created."""
    namespace: str = "default"
    """Temporal namespace that is created."""

    postgres_password: SecretStr | None = None
    """None in any credential field: generated at the first start. Takes effect at the first
    start."""
    s3_access_key: SecretStr | None = None
    """S3 access key id."""
    s3_secret_key: SecretStr | None = None
    """S3 secret access key."""
    api_key: SecretStr | None = None
    """API key of the first administrator of the gateway."""
    progress_token: SecretStr | None = None
    """Token of workers at the gateway's internal listener."""
    webhook_encryption_key: SecretStr | None = None
    """Fernet key that encrypts the signing keys of webhooks."""
    sandbox_key: SecretStr | None = None
    """API key of every provider at the sandbox."""

    postgres_system_user: str = "embedded_postgres"
    """User that Postgres runs as if root starts the stack, since Postgres refuses to run as root;
    created with `useradd` if missing."""
    start_timeout_s: float = Field(default=120, gt=0)
    """Seconds for each process to become ready."""
    stop_timeout_s: float = Field(default=15, gt=0)
    """Seconds for the whole stack to stop before remaining processes are killed."""
