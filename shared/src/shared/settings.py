"""Settings that several processes share. Each process reads them once, in its main.

Each field is an environment variable: the prefix and the field name in capitals. Production points
them at its own servers instead of the embedded stack; nothing else differs.
"""

import base64
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.background_removal import RembgModel
from shared.contracts.editors import EditorKind
from shared.contracts.training import DEFAULT_BASE_MODEL, OperatorSettings, OptimizerKind
from shared.egress.guard import Exemptions, Guard
from shared.egress.names import NameResolver


class DatabaseSettings(BaseSettings):
    """Connection to Postgres, the system of record."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_DB_", frozen=True)

    url: SecretStr = SecretStr("postgresql+asyncpg://sartiq@127.0.0.1:5432/sartiq")
    """SQLAlchemy URL with the asyncpg driver, including credentials."""
    pool_size: int = Field(default=20, ge=1)
    """Connections that this process keeps open."""
    pool_overflow: int = Field(default=0, ge=0)
    """Additional connections under load, closed after use. Opening one takes longer than most
    queries."""


class StorageSettings(BaseSettings):
    """The S3-compatible object store that holds all pictures."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_S3_", frozen=True)

    endpoint: str = "127.0.0.1:8333"
    """Host and port, without scheme."""
    access_key: SecretStr = SecretStr("")
    """Access key ID."""
    secret_key: SecretStr = SecretStr("")
    """Secret access key."""
    bucket: str = "sartiq"
    """The bucket for all objects; it must exist."""
    region: str = "us-east-1"
    """Region that requests are signed for."""
    is_secure: bool = False
    """Use TLS to the endpoint."""
    public_url: str = ""
    """URL at which browsers reach the store, `https://host[:port]`, used in presigned URLs. Empty:
    the endpoint."""


class TemporalSettings(BaseSettings):
    """Connection to the Temporal server."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_TEMPORAL_", frozen=True)

    address: str = "127.0.0.1:7233"
    """Frontend host and port."""
    namespace: str = "default"
    """Namespace; the search attributes of `shared.temporal.search` must be registered in it."""
    api_key: SecretStr | None = None
    """API key of Temporal Cloud. None: no authentication."""
    is_tls: bool | None = None
    """Use TLS to the frontend. None: if an API key or one of the `tls_` settings is set."""
    tls_server_ca: Path | None = None
    """PEM file with the CA certificates to verify the server with. None: the system's."""
    tls_client_cert: Path | None = None
    """PEM file with the client certificate, for mutual TLS. Needs tls_client_key."""
    tls_client_key: Path | None = None
    """PEM file with the client certificate's private key. Files are read at start: to rotate,
    restart."""
    tls_domain: str = ""
    """Name to verify the server's certificate against. Empty: the host in the address."""
    codec_keys: tuple[SecretStr, ...] = ()
    """Fernet keys, as a JSON list, that encrypt payloads, summaries and failures in the histories.
    The first encrypts, all decrypt: to rotate, put a new key first and keep the old one until the
    last history that needs it is deleted. The gateway and all workers need the same keys. Empty:
    no encryption."""
    codec: str = ""
    """A custom payload codec, `module:attribute`: a callable without arguments that returns a
    `temporalio.converter.PayloadCodec`. Excludes codec_keys."""


class FairnessSettings(BaseSettings):
    """Shares of tenants in contended task queues."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_FAIRNESS_", frozen=True)

    weights: dict[str, Annotated[float, Field(ge=0.001, le=1000)]] = {}
    """Weights by tenant, or by origin instance if a request names no tenant, as JSON:
    `{"acme": 2.0}` gives acme twice the share of a tenant that is not named, whose weight is 1.
    Applies to runs started from then on. Read by the gateway and the workflow worker."""


class MetricsSettings(BaseSettings):
    """Prometheus metrics of Temporal's SDK."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_METRICS_", frozen=True)

    address: str = ""
    """`host:port` at which the process serves `/metrics`; each process needs its own. Empty: no
    metrics."""


class ModelSettings(BaseSettings):
    """The local FLUX model: the weights that workers load and the sizes that the gateway admits."""

    model_config = SettingsConfigDict(
        env_prefix="SARTIQ_MODEL_", frozen=True, populate_by_name=True
    )

    source: str = ""
    """Folder in diffusers format, or Hugging Face model ID. Empty: the packaged small model,
    swatch."""
    editor_source: str = ""
    """The same for a model that edits by instruction (FLUX.1 Kontext). Empty: the packaged editor
    with swatch, none with any other model."""
    native_px: int = Field(default=0, ge=0)
    """Side that the model was trained at, in pixels. 0: 64 for swatch, otherwise 1024."""
    max_px: int = Field(default=0, ge=0)
    """Longest side that the model may generate, in pixels. 0: 64 for swatch, otherwise twice the
    native side."""
    default_steps: int = Field(default=0, ge=0)
    """Denoise steps if the request has none. 0: 8 for swatch, otherwise the family's default."""
    editor: EditorKind = Field(
        default=EditorKind.STRENGTH, validation_alias="SARTIQ_INFERENCE_EDITOR"
    )
    """Editor of tiles, faces and details if a request names none; set it on every worker too."""
    cutout_models: tuple[RembgModel, ...] = (RembgModel.U2NETP, RembgModel.ISNET_GENERAL_USE)
    """Models for BACKGROUND_REMOVE that a request may choose, as a JSON list; their files must be
    on every worker. The default models are part of the installation."""

    @property
    def native_side_px(self) -> int:
        """The side that the model was trained at, in pixels."""
        return self.native_px or (1024 if self.source else 64)

    @property
    def max_side_px(self) -> int:
        """The longest side that the model may generate, in pixels."""
        return self.max_px or self.native_side_px * (2 if self.source else 1)

    @property
    def num_default_steps(self) -> int:
        """Denoise steps if the request has none; 0: the default of the model's family."""
        return self.default_steps or (0 if self.source else 8)

    @property
    def max_references(self) -> int:
        """Maximal number of reference pictures of an EDITING."""
        return 3 if self.editor_source or not self.source else 0


class TrainingSettings(BaseSettings):
    """Trainings: base models, and hyperparameters that requests cannot set.

    The gateway reads them when a training is created; a change applies to later trainings.
    """

    model_config = SettingsConfigDict(env_prefix="SARTIQ_TRAINING_", frozen=True)

    base_models: dict[str, str] = {}
    """Base models that requests may name, as JSON: the name in `base_model_path`, and a folder in
    diffusers format or a Hugging Face model ID that the training workers open. The reference's
    default, `black-forest-labs/FLUX.1-dev`, is always known: unless it is named here, it stands for
    SARTIQ_MODEL_SOURCE, and without that for the packaged small model, swatch."""
    can_caption: bool = False
    """A provider worker has the key of a language model's vendor, and so serves `caption_image`.
    Without one, requests for captions by a model are refused: the strategies llm and custom_prompt.
    The embedded stack sets it where there is such a key."""
    batch_size: int = Field(default=1, ge=1, le=64)
    """Items of a forward pass."""
    gradient_accumulation: int = Field(default=1, ge=1, le=256)
    """Forward passes of one step."""
    optimizer: OptimizerKind = OptimizerKind.ADAMW8BIT
    """The optimizer: adamw8bit (torch's AdamW where there is no CUDA), adamw or prodigy."""
    save_every: int = Field(default=2000, ge=1)
    """Steps between the saves that are kept."""
    max_step_saves_to_keep: int = Field(default=4, ge=1, le=100)
    """Saves that are kept; the oldest are deleted."""
    sample_every: int = Field(default=250, ge=1)
    """Steps between samples; they are also made before the first step and at the end."""
    sample_steps: int = Field(default=25, ge=1, le=200)
    """Denoise steps of a sample."""
    further: OperatorSettings = OperatorSettings()
    """Further hyperparameters, as JSON, by the names of `OperatorSettings`:
    `{"seed": 1, "resolutions": [768, 1024], "held_out_share": 0}`."""

    @property
    def known_base_models(self) -> frozenset[str]:
        """The names that requests may use."""
        return frozenset({DEFAULT_BASE_MODEL, *self.base_models})


DEFAULT_LORA_ROOT = "/data/models/loras"


class LoraSettings(BaseSettings):
    """The LoRA store: files are objects, names are rows. These folders appear only in API paths."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_LORA_", frozen=True)

    root: str = DEFAULT_LORA_ROOT
    """Prefix of full paths in the API."""
    bin_root: str = "/data/bin/models/loras"
    """Prefix of the paths of deleted LoRAs."""
    max_bytes: int = Field(default=500 * 1024 * 1024, ge=1, le=500 * 1024 * 1024)
    """Maximal size of a file; at most 500 MB, as in the reference API."""
    conversion_timeout_s: float = Field(default=240, gt=0)
    """Timeout of a pickle's conversion, including the wait for a worker."""


class ProgressSettings(BaseSettings):
    """The gateway's internal listener, to which workers report progress."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_PROGRESS_", frozen=True)

    url: str = ""
    """Base URL of the internal listener. Empty: no reports."""
    token: SecretStr = SecretStr("")
    """Credential of the workers. The gateway compares it in constant time."""


class EgressSettings(BaseSettings):
    """Requests to URLs that clients name: allowed private hosts, name servers, concurrency."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_EGRESS_", frozen=True)

    allowed_hosts: tuple[str, ...] = ()
    """Allowed host names, addresses and networks that are not public, as a JSON list:
    `["127.0.0.1", "10.1.0.0/16"]`; with a port, `["127.0.0.1:8700"]`, that one alone. For
    development and tests: every client can reach them."""
    nameservers: tuple[str, ...] = ()
    """Name servers that resolve host names of clients' URLs, as a JSON list: `["10.0.0.53"]`, with
    `:port` if it is not 53. Empty: the system's."""

    max_fetches: int = Field(default=64, ge=1)
    """Maximal number of concurrent picture downloads of a process, each held in memory. A tenant
    gets at most half of them, less if there are more tenants."""

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        Exemptions.parse(entries)
        return entries

    @field_validator("nameservers")
    @classmethod
    def _check_nameservers(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            if not _is_server(server):
                raise ValueError(
                    f"{server!r} is not an IP address; write 10.0.0.53 or 10.0.0.53:5353"
                )
        return servers

    @property
    def guard(self) -> Guard:
        """The guard built from these settings."""
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
    """Webhook deliveries: encryption of signing keys, timeouts and concurrency."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_WEBHOOKS_", frozen=True)

    encryption_keys: SecretStr = SecretStr("")
    """Fernet keys that encrypt the signing keys at rest, separated by commas: the first encrypts,
    all decrypt. Required. If they are lost, all signing keys are lost."""
    secret_overlap_s: int = Field(default=86_400, ge=0, le=7 * 86_400)
    """Seconds for which a replaced signing key still signs."""
    timeout_s: float = Field(default=15, gt=0, le=30)
    """Timeout of a request to a receiver, in seconds."""
    max_concurrent: int = Field(default=100, ge=1)
    """Maximal number of concurrent requests of a process. A tenant gets at most half of them, less
    if there are more tenants."""
    db_connections: int = Field(default=5, ge=1)
    """Database connections of a process that are reserved for deliveries."""

    @field_validator("encryption_keys")
    @classmethod
    def _check_encryption_keys(cls, keys: SecretStr) -> SecretStr:
        for key in _listed(keys):
            try:
                is_key = len(base64.urlsafe_b64decode(key)) == _FERNET_KEY_BYTES
            except ValueError:
                is_key = False
            if not is_key:
                raise ValueError(
                    "must be Fernet keys, separated by commas; generate one with "
                    "python -c 'from cryptography import fernet; "
                    "print(fernet.Fernet.generate_key().decode())'"
                )
        return keys

    @property
    def fernet_keys(self) -> list[str]:
        """The encryption keys as a list."""
        return _listed(self.encryption_keys)


def _listed(keys: SecretStr) -> list[str]:
    return [key.strip() for key in keys.get_secret_value().split(",")]


class PictureLimits(BaseSettings):
    """Limits of input pictures, in requests and behind URLs."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_PICTURE_", frozen=True)

    max_bytes: int = Field(default=50 * 1024 * 1024, ge=1)
    """Maximal size of the file in bytes, after decoding base64."""
    max_pixels: int = Field(default=89_478_485, ge=1, le=89_478_485)
    """Maximal number of pixels. The default is Pillow's own limit, and cannot be raised."""
    fetch_timeout_s: float = Field(default=60, gt=0)
    """Timeout of a download in seconds, including redirects."""


class VideoLimits(BaseSettings):
    """Limits of videos and other files that providers return; they pass through a disk."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_VIDEO_", frozen=True)

    max_bytes: int = Field(default=512 * 1024 * 1024, ge=1)
    """Maximal size of one file in bytes."""
    fetch_timeout_s: float = Field(default=600, gt=0)
    """Timeout of a download in seconds, including redirects."""
    max_fetches: int = Field(default=8, ge=1)
    """Maximal number of concurrent downloads of a process. They need up to `max_bytes` on disk
    each. A tenant gets at most half of them, less if there are more tenants."""
    folder: Path | None = None
    """Folder of files that are being downloaded; they have no names there. None: the system's
    folder of temporary files."""


class LogSettings(BaseSettings):
    """Logging of a process."""

    model_config = SettingsConfigDict(env_prefix="SARTIQ_LOG_", frozen=True)

    level: str = "INFO"
    """Minimum level."""
    is_json: bool = True
    """One JSON object per line; false: readable lines for a terminal."""
