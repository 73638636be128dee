"""Our own processes: what runs once before the services, and the services themselves."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

import httpx

from local_stack.child import ChildSpec
from local_stack.stack_plan import StackPlan


class Readiness(StrEnum):
    """How a service shows that it is ready."""

    READYZ = "readyz"
    """The gateway's `/readyz` answers 200."""
    FILE = "file"
    """It has written the file that `SARTIQ_WORKER_READY_FILE` names."""


@dataclass(frozen=True)
class Service:
    """One of our long-running processes."""

    name: str
    module: str
    readiness: Readiness = Readiness.FILE
    needs_one_of: tuple[str, ...] = ()
    """Environment variables of which one must be set, or there is nothing for it to do."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """For it alone, over everything that all services are told."""

    def is_wanted(self, environment: Mapping[str, str]) -> bool:
        """Whether it is started in an environment."""
        return not self.needs_one_of or any(environment.get(name) for name in self.needs_one_of)


SERVICES = (
    Service("gateway", "api_gateway", Readiness.READYZ),
    Service("workflow-worker", "workflows.worker"),
    Service("inference-worker", "inference_worker"),
    Service("provider-worker", "provider_worker", needs_one_of=("SARTIQ_FAL_KEY",)),
)
"""What `up` starts, side by side: the provider worker where there are credentials of a provider."""


def python_command(*arguments: str) -> tuple[str, ...]:
    """Our interpreter; `-P` keeps the working directory out of its import path."""
    return (sys.executable, "-P", *arguments)


def migrations(plan: StackPlan) -> ChildSpec:
    """Brings the database's schema up to date."""
    return ChildSpec(
        name="migrations",
        command=python_command("-m", "shared.db.upgrade"),
        cwd=plan.settings.state_dir,
        environment=plan.environment,
    )


def first_key(plan: StackPlan) -> ChildSpec:
    """Lets the stack's own API key in; the gateway keeps its hash alone."""
    key = plan.credentials.api_key.get_secret_value()
    return ChildSpec(
        name="first-key",
        command=python_command("-m", "api_gateway.keys", "ensure"),
        cwd=plan.settings.state_dir,
        environment={**plan.environment, "SARTIQ_BOOTSTRAP_KEY": key},
    )


def service_spec(plan: StackPlan, service: Service, overrides: Mapping[str, str]) -> ChildSpec:
    """How to start a service: `overrides` win over the plan's environment, its own over both."""
    environment = {**plan.environment, **overrides, **service.environment}
    spec = ChildSpec(
        name=service.name,
        command=python_command("-m", service.module),
        cwd=plan.settings.state_dir,
    )
    if service.readiness is Readiness.READYZ:
        url = f"{plan.endpoints.gateway_url}/readyz"
        return replace(spec, environment=environment, is_ready=partial(_answers, url))
    ready_file = plan.folder("run") / f"{service.name}.ready"
    environment["SARTIQ_WORKER_READY_FILE"] = str(ready_file)
    return replace(
        spec,
        environment=environment,
        clean_up=partial(_forget, ready_file),
        is_ready=partial(_exists, ready_file),
    )


async def _answers(url: str) -> bool:
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            return (await client.get(url)).is_success
    except httpx.TransportError:
        return False


def _forget(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)


async def _exists(file: Path) -> bool:
    return await asyncio.to_thread(file.exists)
