"""Settings of the embedded stack. Each field is an environment variable, `SARTIQ_LOCAL_<FIELD>`.

They belong to this package alone: the services read the settings of their own that the stack hands
them, so production sets those instead and never needs this package.
"""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_state_dir() -> Path:
    """`.sartiq` at the root of the checkout around the working directory, else right in it."""
    here = Path.cwd()
    roots = (folder for folder in (here, *here.parents) if (folder / "infra" / "local").is_dir())
    return next(roots, here) / ".sartiq"


class LocalSettings(BaseSettings):
    """What may be chosen about a stack on one machine."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_LOCAL_", frozen=True)

    state_dir: Path = Field(default_factory=default_state_dir)
    """Holds all state: data, credentials, logs. Other tools may keep folders of theirs in it."""
    host: str = "127.0.0.1"
    """Address that every server binds."""

    gateway_port: int = Field(default=0, ge=0, le=65535)
    """The public API; 0 in any port: the one of last time if free, else a free one."""
    gateway_internal_port: int = Field(default=0, ge=0, le=65535)
    """The gateway's listener for workers."""
    temporal_port: int = Field(default=0, ge=0, le=65535)
    """Temporal's frontend."""
    temporal_ui_port: int = Field(default=0, ge=0, le=65535)
    """Temporal's Web UI."""
    postgres_port: int = Field(default=0, ge=0, le=65535)
    """Postgres."""
    s3_port: int = Field(default=0, ge=0, le=55535)
    """The S3 endpoint; the port 10000 above it is taken as well."""

    database: str = "sartiq"
    """Database that is created."""
    database_user: str = "sartiq"
    """Role that owns it; takes effect at the first start."""
    bucket: str = "sartiq"
    """Bucket that is created."""
    namespace: str = "default"
    """Temporal namespace that is created."""

    postgres_password: SecretStr | None = None
    """None in any credential: generated at the first start. Takes effect at the first start."""
    s3_access_key: SecretStr | None = None
    """S3 access key id."""
    s3_secret_key: SecretStr | None = None
    """S3 secret access key."""
    api_key: SecretStr | None = None
    """Key of the gateway's first caller, an administrator."""
    progress_token: SecretStr | None = None
    """What workers show at the gateway's internal listener."""
    webhook_encryption_key: SecretStr | None = None
    """Fernet key that encrypts the keys which sign webhooks."""

    postgres_system_user: str = "embedded_postgres"
    """User that Postgres runs as where root starts the stack, which Postgres refuses to run as;
    made with `useradd` where it is missing."""
    start_timeout_s: float = Field(default=120, gt=0)
    """How long each process may take to be ready."""
    stop_timeout_s: float = Field(default=15, gt=0)
    """How long the whole stack may take to stop before what is left is killed."""
