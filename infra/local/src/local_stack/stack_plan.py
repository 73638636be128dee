"""Configuration of one run of the stack: ports, endpoints, and the services' environment."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from local_stack.credentials import Credentials, load_credentials
from local_stack.errors import StackError
from local_stack.ports import Ports, remembered_ports
from local_stack.settings import LocalSettings, Providers


class Endpoints(BaseModel):
    """Addresses of a running stack. Without secrets, because they are shown and stored."""

    model_config = ConfigDict(frozen=True)

    gateway_url: str
    gateway_internal_url: str
    temporal_address: str
    temporal_ui_url: str
    postgres_url: str
    s3_endpoint: str
    namespace: str
    sandbox_url: str | None = None
    """The providers' sandbox; none if there is none."""

    def run_url(self, workflow_id: UUID) -> str:
        """Return the URL of a workflow's run in the Temporal UI."""
        return self._ui_url(f"workflow-{workflow_id}")

    def training_url(self, training_id: UUID) -> str:
        """Return the URL of a training's run in the Temporal UI."""
        return self._ui_url(f"training-{training_id}")

    def _ui_url(self, temporal_id: str) -> str:
        return f"{self.temporal_ui_url}/namespaces/{self.namespace}/workflows/{temporal_id}"


@dataclass(frozen=True)
class StackPlan:
    """Settings, credentials and ports of one run."""

    settings: LocalSettings
    credentials: Credentials
    ports: Ports

    def folder(self, name: str) -> Path:
        """Return a folder within the state folder."""
        return self.settings.state_dir / name

    @property
    def scratch(self) -> Path:
        """Folder of the servers' temporary files, safe from a cleanup of /tmp."""
        return self.folder("tmp")

    def address(self, port: int) -> str:
        """Return `host:port` of one of the stack's servers."""
        return f"{self.settings.host}:{port}"

    @property
    def endpoints(self) -> Endpoints:
        """Addresses of this run."""
        database = f"{self.address(self.ports.postgres)}/{self.settings.database}"
        return Endpoints(
            gateway_url=f"http://{self.address(self.ports.gateway)}",
            gateway_internal_url=f"http://{self.address(self.ports.gateway_internal)}",
            temporal_address=self.address(self.ports.temporal),
            temporal_ui_url=f"http://{self.address(self.ports.temporal_ui)}",
            postgres_url=f"postgresql://{self.settings.database_user}@{database}",
            s3_endpoint=self.address(self.ports.s3),
            namespace=self.settings.namespace,
            sandbox_url=self.sandbox_url if self.has_sandbox else None,
        )

    @property
    def has_sandbox(self) -> bool:
        """True if the sandbox stands in for the providers."""
        return self.settings.providers is Providers.SANDBOX

    @property
    def sandbox_url(self) -> str:
        """Origin of the providers' sandbox, if it runs."""
        return f"http://{self.address(self.ports.sandbox)}"

    def database_url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database, including the password."""
        user = self.settings.database_user
        password = self.credentials.postgres_password.get_secret_value()
        return (
            f"postgresql+asyncpg://{user}:{password}@{self.address(self.ports.postgres)}/{database}"
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment of every service, as a production deployment would set it."""
        settings, credentials, endpoints = self.settings, self.credentials, self.endpoints
        progress_token = credentials.progress_token.get_secret_value()
        encryption_key = credentials.webhook_encryption_key.get_secret_value()
        return {
            "SARTIQ_DB_URL": self.database_url(settings.database),
            "SARTIQ_S3_ENDPOINT": endpoints.s3_endpoint,
            "SARTIQ_S3_ACCESS_KEY": credentials.s3_access_key.get_secret_value(),
            "SARTIQ_S3_SECRET_KEY": credentials.s3_secret_key.get_secret_value(),
            "SARTIQ_S3_BUCKET": settings.bucket,
            "SARTIQ_TEMPORAL_ADDRESS": endpoints.temporal_address,
            "SARTIQ_TEMPORAL_NAMESPACE": settings.namespace,
            "SARTIQ_PROGRESS_URL": endpoints.gateway_internal_url,
            "SARTIQ_PROGRESS_TOKEN": progress_token,
            "SARTIQ_GATEWAY_HOST": settings.host,
            "SARTIQ_GATEWAY_PORT": str(self.ports.gateway),
            "SARTIQ_GATEWAY_INTERNAL_HOST": settings.host,
            "SARTIQ_GATEWAY_INTERNAL_PORT": str(self.ports.gateway_internal),
            "SARTIQ_GATEWAY_INTERNAL_TOKEN": progress_token,
            "SARTIQ_WEBHOOKS_ENCRYPTION_KEYS": encryption_key,
            "SARTIQ_INFERENCE_LORA_CACHE_DIR": str(self.folder("loras")),
            "SARTIQ_TRAINER_CACHE_DIR": str(self.folder("training-cache")),
            # Steps of the small model take eight times as long with two threads on busy cores.
            "SARTIQ_TRAINER_TORCH_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            # The workflow sandbox imports the definitions for each run; cached bytecode saves it
            # from compiling them each time.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self.folder("pycache")),
        }


def running_plan(settings: LocalSettings) -> StackPlan:
    """Return the plan of the running stack, read from the state folder.

    Raises:
        StackError: the state folder has no stored ports.
    """
    ports = remembered_ports(settings)
    if ports is None:
        raise StackError("ports.json is missing in the state folder; restart the stack")
    return StackPlan(settings, load_credentials(settings), ports)
