"""Settings that more than one process needs. Each process builds them once, in its main.

Every field is an environment variable: prefix plus field name in capitals. Production replaces the
embedded stack by setting these, and nothing else.
"""

import base64
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.background_removal import RembgModel
from shared.egress.guard import Exemptions, Guard
from shared.egress.names import NameResolver


class DatabaseSettings(BaseSettings):
    """Postgres, the system of record."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_DB_", frozen=True)

    url: SecretStr = SecretStr("postgresql+asyncpg://sartiq@127.0.0.1:5432/sartiq")
    """SQLAlchemy URL with the asyncpg driver, credentials included."""
    pool_size: int = Field(default=20, ge=1)
    """Connections held open by this process."""
    pool_overflow: int = Field(default=0, ge=0)
    """Connections opened beyond the pool under load and closed after use: opening one costs more
    than most of what it is used for."""


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
    public_url: str = ""
    """Where browsers reach the store, `https://host[:port]`: presigned URLs lead there. Empty: they
    lead to the endpoint."""


class TemporalSettings(BaseSettings):
    """The Temporal server."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_TEMPORAL_", frozen=True)

    address: str = "127.0.0.1:7233"
    """Frontend host and port."""
    namespace: str = "default"
    """Namespace; the search attributes of `shared.temporal.search` must be registered in it."""
    api_key: SecretStr | None = None
    """API key of Temporal Cloud; none: no authentication."""
    is_tls: bool | None = None
    """TLS to the frontend; none: where an API key or one of the `tls_` settings is given."""
    tls_server_ca: Path | None = None
    """PEM file with the certificates that the server's must descend from; none: the system's."""
    tls_client_cert: Path | None = None
    """PEM file with our certificate, for servers that ask for one; needs tls_client_key."""
    tls_client_key: Path | None = None
    """PEM file with the certificate's private key. Files are read at start: restart to rotate."""
    tls_domain: str = ""
    """Name that the server's certificate must carry; empty: the host in the address."""
    codec_keys: tuple[SecretStr, ...] = ()
    """Fernet keys, as a JSON list: payloads, summaries and failures are encrypted in the histories.
    The first encrypts, all decrypt, so that a new one is put first and an old one stays until the
    last history that needs it is gone. The gateway and every worker need the same. Empty: off."""
    codec: str = ""
    """A payload codec of your own, `module:attribute`: called without arguments it makes a
    `temporalio.converter.PayloadCodec`. Instead of codec_keys."""


class FairnessSettings(BaseSettings):
    """How much of a contended queue each tenant gets."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_FAIRNESS_", frozen=True)

    weights: dict[str, Annotated[float, Field(ge=0.001, le=1000)]] = {}
    """Weights by tenant, or by origin instance where a request names no tenant, as JSON:
    `{"acme": 2.0}` gives acme twice the share of a tenant that is not named, whose weight is 1.
    Holds for runs started from then on. Read by the gateway and the workflow worker."""


class MetricsSettings(BaseSettings):
    """Metrics of Temporal's SDK, for Prometheus."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_METRICS_", frozen=True)

    address: str = ""
    """`host:port` on which the process answers `/metrics`, one a process; empty: it does not."""


class ModelSettings(BaseSettings):
    """The local FLUX model: which weights the worker loads, and which sizes the gateway admits."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_MODEL_", frozen=True)

    source: str = ""
    """Folder in diffusers format, or hub id; empty: the packaged small model, swatch."""
    editor_source: str = ""
    """The same of a model that edits by instruction (FLUX.1 Kontext); empty: the packaged one
    beside swatch, none beside any other model."""
    native_px: int = Field(default=0, ge=0)
    """Side that the model was trained at, in pixels; 0: 64 for swatch, else 1024."""
    max_px: int = Field(default=0, ge=0)
    """Longest side that it may generate, in pixels; 0: 64 for swatch, else twice native."""
    default_steps: int = Field(default=0, ge=0)
    """Denoise steps where a request names none; 0: 8 for swatch, else what the family takes."""
    cutout_models: tuple[RembgModel, ...] = (RembgModel.U2NETP, RembgModel.ISNET_GENERAL_USE)
    """Models for BACKGROUND_REMOVE that a request may name, as a JSON list: those whose files lie
    on every worker. The default is what an installation comes with."""

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
        """Denoise steps where a request names none; 0: what the model's family takes."""
        return self.default_steps or (0 if self.source else 8)

    @property
    def max_references(self) -> int:
        """How many pictures an edit may show beside the one that it changes."""
        return 3 if self.editor_source or not self.source else 0


DEFAULT_LORA_ROOT = "/data/models/loras"


class LoraSettings(BaseSettings):
    """The LoRA store, as its paths are answered: the bytes are objects, the names are rows."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_LORA_", frozen=True)

    root: str = DEFAULT_LORA_ROOT
    """Folder that full paths begin with."""
    bin_root: str = "/data/bin/models/loras"
    """Folder that paths in the bin begin with."""
    max_bytes: int = Field(default=500 * 1024 * 1024, ge=1, le=500 * 1024 * 1024)
    """Largest file; the reference's 500 MB at most."""
    conversion_timeout_s: float = Field(default=240, gt=0)
    """How long a pickle's conversion may take, its wait for a worker included."""


class ProgressSettings(BaseSettings):
    """Where workers announce `started` and progress: the gateway's internal listener."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_PROGRESS_", frozen=True)

    url: str = ""
    """Base URL of the internal listener; empty: nothing is announced."""
    token: SecretStr = SecretStr("")
    """Worker credential; the gateway compares it in constant time."""


class EgressSettings(BaseSettings):
    """Which hosts may be called that are not public, where a client names the URL."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_EGRESS_", frozen=True)

    allowed_hosts: tuple[str, ...] = ()
    """Host names, addresses and networks, as a JSON list: `["127.0.0.1", "10.1.0.0/16"]`. For
    development and tests; every client can reach what is named here."""
    nameservers: tuple[str, ...] = ()
    """Name servers that clients' host names are asked of, as a JSON list: `["10.0.0.53"]`, a port
    behind a colon where it is not 53. Empty: the system's."""

    max_fetches: int = Field(default=64, ge=1)
    """Pictures by URL that one process fetches at a time, each of them in memory. A tenant takes
    half of them at most, and less the more tenants there are."""

    @field_validator("allowed_hosts")
    @classmethod
    def _can_be_read(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        Exemptions.parse(entries)
        return entries

    @field_validator("nameservers")
    @classmethod
    def _are_addresses(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            if not _is_server(server):
                raise ValueError(f"{server!r} is no address; write 10.0.0.53 or 10.0.0.53:5353")
        return servers

    @property
    def guard(self) -> Guard:
        """The guard that these settings describe."""
        return Guard(Exemptions.parse(self.allowed_hosts), NameResolver(self.nameservers))


def _is_server(entry: str) -> bool:
    host, colon, port = entry.rpartition(":")
    has_port = bool(colon) and port.isdecimal() and (host.endswith("]") or ":" not in host)
    try:
        ip_address(host.strip("[]") if has_port else entry)
    except ValueError:
        return False
    return not has_port or 0 < int(port) < 65536


_FERNET_KEY_BYTES = 32


class WebhookSettings(BaseSettings):
    """Events on their way to clients: how signing keys are kept, how much is sent at a time."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_WEBHOOKS_", frozen=True)

    encryption_keys: SecretStr = SecretStr("")
    """Fernet keys that signing keys are encrypted with at rest, separated by commas: the first
    encrypts, each decrypts. They are needed: who loses them loses every signing key."""
    secret_overlap_s: int = Field(default=86_400, ge=0, le=7 * 86_400)
    """How long a signing key that was replaced still signs along."""
    timeout_s: float = Field(default=15, gt=0, le=30)
    """How long a receiver may take to answer."""
    max_concurrent: int = Field(default=100, ge=1)
    """Receivers called at a time by one process. A tenant takes half of them at most, and less the
    more tenants there are."""
    db_connections: int = Field(default=5, ge=1)
    """Connections to the database that deliveries have to themselves in a process."""

    @field_validator("encryption_keys")
    @classmethod
    def _are_fernet_keys(cls, keys: SecretStr) -> SecretStr:
        for key in _listed(keys):
            try:
                is_key = len(base64.urlsafe_b64decode(key)) == _FERNET_KEY_BYTES
            except ValueError:
                is_key = False
            if not is_key:
                raise ValueError(
                    "must be Fernet keys, separated by commas; one is made by "
                    "python -c 'from cryptography import fernet; "
                    "print(fernet.Fernet.generate_key().decode())'"
                )
        return keys

    @property
    def fernet_keys(self) -> list[str]:
        """Each of them."""
        return _listed(self.encryption_keys)


def _listed(keys: SecretStr) -> list[str]:
    return [key.strip() for key in keys.get_secret_value().split(",")]


class PictureLimits(BaseSettings):
    """What a picture that comes in may be at most, in a request or behind a URL."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_PICTURE_", frozen=True)

    max_bytes: int = Field(default=50 * 1024 * 1024, ge=1)
    """Its size, decoded."""
    max_pixels: int = Field(default=89_478_485, ge=1, le=89_478_485)
    """Its pixels; Pillow's own bound, which is also the highest."""
    fetch_timeout_s: float = Field(default=60, gt=0)
    """How long fetching it may take, redirects included."""


class LogSettings(BaseSettings):
    """How a process logs."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_LOG_", frozen=True)

    level: str = "INFO"
    """Least level that is written."""
    is_json: bool = True
    """One JSON object a line; false: readable lines for a terminal."""
