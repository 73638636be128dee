"""A platform for fault tests: every process can be killed, every connection disturbed."""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from local_stack.credentials import load_credentials
from local_stack.ports import choose_ports
from local_stack.services import SERVICES, Service
from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from local_stack.stack_plan import StackPlan
from tests.faults.proxy import Proxy
from tests.fixtures.sandbox import OpenSandbox, open_sandbox
from tests.loopback.nameserver import NameServer, name_server

SERVERS = ("postgres", "temporal", "seaweed")
STEP_S = 0.02
"""Seconds of an engine step, so that a task's steps set its duration. There is one engine."""
SAMPLE_EVERY = 10
"""Steps between two samples of a training; its state is saved before each."""

_VENDORS = ("OPENAI", "ANTHROPIC", "GEMINI", "OLLAMA")
_PROVIDERS = ("FAL", "VERTEX", *_VENDORS)
"""The providers that the sandbox stands in for."""
_OVERRIDES = {
    "SARTIQ_INFERENCE_ENGINE": "identity",
    "SARTIQ_INFERENCE_IDENTITY_STEP_S": str(STEP_S),
    "SARTIQ_MODEL_MAX_PX": "1024",
    "SARTIQ_TRAINING_SAMPLE_EVERY": str(SAMPLE_EVERY),
    "SARTIQ_TRAINING_SAMPLE_STEPS": "2",
    # Pictures and webhooks are served by this process.
    "SARTIQ_EGRESS_ALLOWED_HOSTS": '["127.0.0.1"]',
    # Shorter than the default of a minute.
    "SARTIQ_RECONCILE_EVERY_S": "1",
    "SARTIQ_RECONCILE_GRACE_S": "2",
    "SARTIQ_RECONCILE_ABANDONED_AFTER_S": "5",
    # A submission whose worker was lost is unknown that much earlier.
    "SARTIQ_FAL_SUBMIT_TIMEOUT_S": "10",
    "SARTIQ_VERTEX_SUBMIT_TIMEOUT_S": "10",
    "SARTIQ_VERTEX_TEXT_TIMEOUT_S": "10",
    "SARTIQ_INFERENCE_REMOTE_SIZE": "1K",
    **{f"SARTIQ_{vendor}_TIMEOUT_S": "10" for vendor in _VENDORS},
}

Link = tuple[str, str]
"""A service and the server that it connects to."""

_CALLS: Mapping[str, tuple[str, ...]] = {
    "gateway": ("postgres", "temporal", "s3"),
    "workflow-worker": ("postgres", "temporal", "s3"),
    "inference-worker": ("temporal", "s3", "gateway"),
    "training-worker": ("temporal", "s3", "gateway"),
    "provider-worker": ("temporal", "s3", "gateway", "fal"),
}
"""The servers that each service connects to."""

_ORIGINS = tuple(f"SARTIQ_{provider}_BASE_URL" for provider in _PROVIDERS)

LINKS: tuple[Link, ...] = tuple(
    (service.name, target) for service in SERVICES for target in _CALLS[service.name]
)


@dataclass(frozen=True)
class TrainerDisk:
    """The folders of the training worker."""

    folder: Path

    @property
    def cache(self) -> Path:
        """Encoded datasets."""
        return self.folder / "cache"

    @property
    def scratch(self) -> Path:
        """Temporary files, such as resume states before their upload."""
        return self.folder / "tmp"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make the worker use the folders."""
        return {"SARTIQ_TRAINER_CACHE_DIR": str(self.cache), "TMPDIR": str(self.scratch)}

    def empty(self) -> None:
        """Delete everything, as if the next process ran on another machine."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.scratch.mkdir(parents=True)


@dataclass
class Rig:
    """A running platform, with direct connections to the servers behind the proxies."""

    stack: LocalStack
    links: Mapping[Link, Proxy]
    """Empty without proxies."""
    api: httpx.AsyncClient
    temporal: Client
    fal: OpenSandbox
    """The providers, with a ledger; they are not killed."""
    names: NameServer
    """A name server that resolves every name below `example` to loopback."""
    trainer: TrainerDisk
    unbroken: dict[int, str] = field(default_factory=dict[int, str])
    """Digests of the weights of trainings without faults, by their steps."""
    _started_at: float = field(default_factory=time.time)

    @property
    def well_since(self) -> float:
        """The time at which the last fault ended."""
        return max(self._started_at, *(proxy.well_since for proxy in self.links.values()), 0)

    def link(self, service: str, target: str) -> Proxy:
        """Return the proxy between a service and a server."""
        return self.links[service, target]

    async def kill(self, *names: str) -> None:
        """Kill processes with SIGKILL, all at once."""
        await asyncio.gather(*(self.stack.kill(name) for name in names))

    async def start(self, *names: str) -> None:
        """Restart killed processes and wait until they are ready; servers before services."""
        for group in ([n for n in names if n in SERVERS], [n for n in names if n not in SERVERS]):
            await asyncio.gather(*(self.stack.start(name) for name in group))
        self._started_at = time.time()

    async def freeze(self, name: str, seconds: float) -> None:
        """Stop a process with SIGSTOP, and continue it after a while."""
        pid = self.stack.pids[name]
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in family:
            process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            for process in family:
                process.send_signal(signal.SIGCONT)
            self._started_at = time.time()

    async def rows(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Return the rows of a query.

        Raises:
            OSError, PostgresError: the database is down.
        """
        url = self.stack.plan.environment["SARTIQ_DB_URL"].replace("+asyncpg", "")
        connection = await asyncpg.connect(url, timeout=5, command_timeout=10)
        try:
            return await connection.fetch(sql, *arguments)
        finally:
            connection.terminate()

    async def until(
        self, condition: Callable[[], Awaitable[object]], *, timeout_s: float = 30
    ) -> None:
        """Wait for a condition in other processes."""
        async with asyncio.timeout(timeout_s):
            while not await condition():
                await asyncio.sleep(0.02)

    async def repair(self) -> None:
        """Restart everything and heal the network."""
        for proxy in self.links.values():
            proxy.heal()
        known = (*SERVERS, *(service.name for service in SERVICES))
        await self.start(*(name for name in known if name not in self.stack.pids))


@asynccontextmanager
async def open_rig(*, is_proxied: bool = True) -> AsyncIterator[Rig]:
    """Start a platform; `is_proxied`: all connections of its services go through proxies."""
    async with AsyncExitStack() as exits:
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="sartiq-faults-"))
        settings = LocalSettings(state_dir=Path(folder).resolve())
        # The ports are chosen before the stack starts, which uses the ones in its state file.
        plan = StackPlan(settings, load_credentials(settings), choose_ports(settings))
        fal = await exits.enter_async_context(open_sandbox())
        names = await exits.enter_async_context(name_server({"*.example": ["127.0.0.1"]}))
        links: dict[Link, Proxy] = {}
        if is_proxied:
            addresses = _addresses(plan) | {"fal": fal.url.removeprefix("http://")}
            for link in LINKS:
                links[link] = await exits.enter_async_context(Proxy(addresses[link[1]]))
        trainer = TrainerDisk(settings.state_dir / "trainer")
        trainer.empty()
        services = tuple(_through(plan, service, links, trainer) for service in SERVICES)
        overrides = _OVERRIDES | {
            **{f"SARTIQ_{provider}_KEY": fal.key for provider in _PROVIDERS},
            **dict.fromkeys(_ORIGINS, fal.url),
            "SARTIQ_EGRESS_NAMESERVERS": f'["{names.address}"]',
        }
        stack = await exits.enter_async_context(
            LocalStack(settings, services=services, overrides=overrides)
        )
        assert stack.plan.ports == plan.ports, "a port was taken meanwhile"
        api = await exits.enter_async_context(
            httpx.AsyncClient(
                base_url=stack.endpoints.gateway_url,
                headers={"Authorization": f"Bearer {stack.api_key}"},
                timeout=20,
                trust_env=False,
            )
        )
        temporal = await _direct_client(stack)
        yield Rig(stack, links, api, temporal, fal, names, trainer)


def _addresses(plan: StackPlan) -> dict[str, str]:
    return {
        "postgres": plan.address(plan.ports.postgres),
        "temporal": plan.endpoints.temporal_address,
        "s3": plan.endpoints.s3_endpoint,
        "gateway": plan.endpoints.gateway_internal_url.removeprefix("http://"),
    }


def _through(
    plan: StackPlan, service: Service, links: Mapping[Link, Proxy], trainer: TrainerDisk
) -> Service:
    """Return a service whose connections go through its proxies."""
    own = {target: proxy.address for (name, target), proxy in links.items() if name == service.name}
    variables = {
        "postgres": (
            ("SARTIQ_DB_URL",),
            lambda address: plan.environment["SARTIQ_DB_URL"].replace(
                plan.address(plan.ports.postgres), address
            ),
        ),
        "temporal": (("SARTIQ_TEMPORAL_ADDRESS",), str),
        "s3": (("SARTIQ_S3_ENDPOINT",), str),
        "gateway": (("SARTIQ_PROGRESS_URL",), "http://{}".format),
        "fal": (_ORIGINS, "http://{}".format),
    }
    environment = {
        variable: str(write(own[target]))
        for target, (names, write) in variables.items()
        if target in own
        for variable in names
    }
    folders = trainer.environment if service.name == "training-worker" else {}
    return replace(service, environment={**service.environment, **folders, **environment})


async def _direct_client(stack: LocalStack) -> Client:
    # Without logs: outages of Temporal are intended here.
    telemetry = TelemetryConfig(
        logging=LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    )
    return await Client.connect(
        stack.endpoints.temporal_address,
        namespace=stack.endpoints.namespace,
        data_converter=pydantic_data_converter,
        runtime=Runtime(telemetry=telemetry),
    )
