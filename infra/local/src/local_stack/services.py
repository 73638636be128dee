"""The platform's own processes: one-time commands before the services, and the services."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

import httpx

from local_stack.child import ChildSpec
from local_stack.stack_plan import StackPlan


class Readiness(StrEnum):
    """Readiness check of a service."""

    READYZ = "readyz"
    """The gateway's `/readyz` returns 200."""
    FILE = "file"
    """The service has written the file `SARTIQ_WORKER_READY_FILE`."""
    SANDBOX = "sandbox"
    """The sandbox's `/_strays` returns 200."""


@dataclass(frozen=True)
class Service:
    """One long-running process of the platform."""

    name: str
    module: str
    readiness: Readiness = Readiness.FILE
    needs_one_of: tuple[str, ...] = ()
    """Environment variables of which at least one must be set, otherwise it is not started."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Its own environment variables; they override those of all services."""

    def is_wanted(self, environment: Mapping[str, str]) -> bool:
        """Return true if the service is started in an environment, which its own overrides."""
        known = {**environment, **self.environment}
        return not self.needs_one_of or any(known.get(name) for name in self.needs_one_of)


INFERENCE_WORKER, PROVIDER_WORKER = "inference-worker", "provider-worker"
PROVIDER_KEYS = (
    "SARTIQ_FAL_KEY",
    "SARTIQ_FASHN_KEY",
    "SARTIQ_MAGNIFIC_KEY",
    "SARTIQ_VERTEX_KEY",
    "SARTIQ_VERTEX_PROJECT",
    "SARTIQ_OPENAI_KEY",
    "SARTIQ_ANTHROPIC_KEY",
    "SARTIQ_GEMINI_KEY",
    "SARTIQ_OLLAMA_BASE_URL",
)
"""The environment variables of which one gives access to an outside provider."""
_VENDOR_KEYS = (
    "SARTIQ_OPENAI_KEY",
    "SARTIQ_ANTHROPIC_KEY",
    "SARTIQ_GEMINI_KEY",
    "SARTIQ_OLLAMA_BASE_URL",
)
"""Those of the vendors of language models, which also caption pictures."""
_CAN_CAPTION = "SARTIQ_TRAINING_CAN_CAPTION"
_GATEWAY = "gateway"
SERVICES = (
    Service(_GATEWAY, "api_gateway", Readiness.READYZ),
    Service("workflow-worker", "workflows.worker"),
    Service(INFERENCE_WORKER, "inference_worker"),
    Service("training-worker", "training_worker"),
    Service(PROVIDER_WORKER, "provider_worker", needs_one_of=PROVIDER_KEYS),
)
"""The services that `up` starts; the provider worker only with credentials of a provider."""


def with_captions(
    services: Sequence[Service], environment: Mapping[str, str]
) -> tuple[Service, ...]:
    """Return the services; the gateway permits captions by a model if a vendor has a key.

    Args:
        services: the services that are started.
        environment: of all of them; it may set the gateway's permission itself.
    """
    workers = [service for service in services if service.name == PROVIDER_WORKER]
    known = {**environment, **(workers[0].environment if workers else {})}
    can_caption = workers and any(known.get(name) for name in _VENDOR_KEYS)
    if not can_caption or _CAN_CAPTION in environment:
        return tuple(services)
    return tuple(
        replace(service, environment={**service.environment, _CAN_CAPTION: "true"})
        if service.name == _GATEWAY
        else service
        for service in services
    )


def python_command(*arguments: str) -> tuple[str, ...]:
    """Return a command of this interpreter; `-P` keeps the working directory off its path."""
    return (sys.executable, "-P", *arguments)


def migrations(plan: StackPlan) -> ChildSpec:
    """Return the spec of the database migration."""
    return ChildSpec(
        name="migrations",
        command=python_command("-m", "shared.db.upgrade"),
        cwd=plan.settings.state_dir,
        environment=plan.environment,
    )


def first_key(plan: StackPlan) -> ChildSpec:
    """Return the spec of the command that registers the stack's API key at the gateway."""
    key = plan.credentials.api_key.get_secret_value()
    return ChildSpec(
        name="first-key",
        command=python_command("-m", "api_gateway.keys", "ensure"),
        cwd=plan.settings.state_dir,
        environment={**plan.environment, "SARTIQ_BOOTSTRAP_KEY": key},
    )


def service_spec(plan: StackPlan, service: Service, overrides: Mapping[str, str]) -> ChildSpec:
    """Return the spec of a service.

    Its environment is the plan's, updated by `overrides`, then by the service's own.
    """
    environment = {**plan.environment, **overrides, **service.environment}
    spec = ChildSpec(
        name=service.name,
        command=python_command("-m", service.module),
        cwd=plan.settings.state_dir,
    )
    if service.readiness is not Readiness.FILE:
        url = _readiness_url(plan, service.readiness)
        return replace(spec, environment=environment, is_ready=partial(_is_success, url))
    ready_file = plan.folder("run") / f"{service.name}.ready"
    environment["SARTIQ_WORKER_READY_FILE"] = str(ready_file)
    return replace(
        spec,
        environment=environment,
        clean_up=partial(_remove, ready_file),
        is_ready=partial(_exists, ready_file),
    )


def _readiness_url(plan: StackPlan, readiness: Readiness) -> str:
    if readiness is Readiness.SANDBOX:
        return f"{plan.sandbox_url}/_strays"
    return f"{plan.endpoints.gateway_url}/readyz"


async def _is_success(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            return (await client.get(url)).is_success
    except httpx.TransportError:
        return False


def _remove(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)


async def _exists(file: Path) -> bool:
    return await asyncio.to_thread(file.exists)
