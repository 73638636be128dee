"""The providers' sandbox as a part of the stack: its process, and the provider worker's access."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from local_stack.errors import StackError
from local_stack.services import (
    INFERENCE_WORKER,
    PROVIDER_KEYS,
    PROVIDER_WORKER,
    Readiness,
    Service,
    with_captions,
)
from local_stack.stack_plan import StackPlan

NAME = "sandbox"
SHOOTIFY_APP, GARMENT_APP = "sandbox/shootify-refiner", "sandbox/garment-fixer"
"""The sandbox's apps for the two providers whose apps on fal are not published."""
_ALLOWED = "SARTIQ_EGRESS_ALLOWED_HOSTS"
_PACES = {
    "SARTIQ_FAL_POLL_INTERVAL_S": "0.1",
    "SARTIQ_MAGNIFIC_POLL_INTERVAL_S": "0.2",
    "SARTIQ_MAGNIFIC_REQUESTS_PER_MINUTE": "0",
    "SARTIQ_FAL_GARMENT_FIXER_APP": GARMENT_APP,
}
"""Settings of the provider worker that suit a server of this machine, unless they are set."""
_REMOTE_SIZE = "SARTIQ_INFERENCE_REMOTE_SIZE", "1K"
"""Setting of the inference worker, unless it is set: a tile of 4K takes the sandbox seconds."""
_NO_PROJECT = {"SARTIQ_VERTEX_PROJECT": "", "SARTIQ_VERTEX_IS_EXPRESS": "false"}
"""The sandbox's key is one of the Gemini API."""


def with_sandbox(
    services: Iterable[Service], plan: StackPlan, environment: Mapping[str, str]
) -> tuple[Service, ...]:
    """Return the services with the sandbox, which stands in for every provider.

    Args:
        services: the services; without a provider worker among them, the sandbox is not added.
        plan: the plan of the stack.
        environment: of the services.

    Raises:
        StackError: the environment's list of allowed hosts cannot be read.
    """
    given = tuple(services)
    if not any(service.name == PROVIDER_WORKER for service in given):
        return given
    name, value = _REMOTE_SIZE
    added = {
        PROVIDER_WORKER: _access(plan, environment),
        INFERENCE_WORKER: {name: environment.get(name, value)},
    }
    return (
        *(
            replace(service, environment={**service.environment, **added.get(service.name, {})})
            for service in given
        ),
        _sandbox(plan),
    )


def wanted_services(
    plan: StackPlan, services: Iterable[Service], overrides: Mapping[str, str]
) -> tuple[Service, ...]:
    """Return the services that a stack starts.

    Args:
        plan: the plan of the stack.
        services: the services that there are.
        overrides: environment variables of all of them; they override this process's own.
    """
    environment = {**os.environ, **overrides}
    known = with_sandbox(services, plan, environment) if plan.has_sandbox else services
    wanted = tuple(service for service in known if service.is_wanted(environment))
    return with_captions(wanted, environment)


def _sandbox(plan: StackPlan) -> Service:
    settings = {
        "SARTIQ_SANDBOX_HOST": plan.settings.host,
        "SARTIQ_SANDBOX_PORT": str(plan.ports.sandbox),
        "SARTIQ_SANDBOX_KEYS": json.dumps([_key(plan)]),
        "SARTIQ_SANDBOX_LEDGER": str(plan.folder("sandbox") / "ledger.jsonl"),
    }
    return Service(NAME, "provider_worker.sandbox", Readiness.SANDBOX, environment=settings)


def _access(plan: StackPlan, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the provider worker's settings: it calls the sandbox alone, whatever keys are set.

    Only this worker may fetch from the sandbox: its results are there.
    """
    address = plan.address(plan.ports.sandbox)
    allowed = [*_allowed_hosts(environment), address]
    access = {name: environment.get(name, value) for name, value in _PACES.items()}
    access[_ALLOWED] = json.dumps(allowed)
    for name in PROVIDER_KEYS:
        prefix = name.removesuffix("_KEY").removesuffix("_BASE_URL").removesuffix("_PROJECT")
        access[f"{prefix}_KEY"] = _key(plan)
        access[f"{prefix}_BASE_URL"] = plan.sandbox_url
    return access | _NO_PROJECT


def _allowed_hosts(environment: Mapping[str, str]) -> list[str]:
    try:
        hosts = json.loads(environment.get(_ALLOWED) or "[]")
    except ValueError:
        hosts = None
    if not isinstance(hosts, list):
        raise StackError(f'{_ALLOWED} is not a JSON list; write ["127.0.0.1"]')
    return [str(host) for host in hosts]  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] -- JSON


def _key(plan: StackPlan) -> str:
    return plan.credentials.sandbox_key.get_secret_value()
