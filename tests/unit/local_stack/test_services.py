import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_stack.credentials import Credentials
from local_stack.ports import choose_ports
from local_stack.services import (
    PROVIDER_KEYS,
    SERVICES,
    Service,
    first_key,
    migrations,
    service_spec,
)
from local_stack.settings import LocalSettings
from local_stack.stack_plan import StackPlan
from provider_worker.registry import KEY_VARIABLES
from shared.settings import DatabaseSettings, ProgressSettings, StorageSettings, TemporalSettings


@pytest.fixture
def plan(tmp_path: Path) -> StackPlan:
    settings = LocalSettings(state_dir=tmp_path, bucket="pictures", namespace="studio")
    return StackPlan(settings, Credentials(), choose_ports(settings))


@pytest.fixture
async def gateway(plan: StackPlan) -> AsyncIterator[list[str]]:
    """A gateway that responds to each request with the status at the head of the list."""
    answers = ["503 Service Unavailable", "200 OK"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"GET /readyz ")
        writer.write(f"HTTP/1.1 {answers.pop(0)}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", plan.ports.gateway)
    async with server:
        yield answers


def test_settings_of_the_services_read_the_environment(
    plan: StackPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in plan.environment.items():
        monkeypatch.setenv(name, value)
    ports, credentials = plan.ports, plan.credentials
    password = credentials.postgres_password.get_secret_value()
    assert DatabaseSettings().url.get_secret_value() == (
        f"postgresql+asyncpg://sartiq:{password}@127.0.0.1:{ports.postgres}/sartiq"
    )
    storage = StorageSettings()
    assert storage.endpoint == f"127.0.0.1:{ports.s3}"
    assert storage.bucket == "pictures"
    assert storage.secret_key == credentials.s3_secret_key
    temporal = TemporalSettings()
    assert temporal.address == f"127.0.0.1:{ports.temporal}"
    assert temporal.namespace == "studio"
    progress = ProgressSettings()
    assert progress.url == f"http://127.0.0.1:{ports.gateway_internal}"
    assert progress.token == credentials.progress_token
    assert progress.token.get_secret_value() == plan.environment["SARTIQ_GATEWAY_INTERNAL_TOKEN"]


def test_endpoints_hold_no_secret(plan: StackPlan) -> None:
    shown = plan.endpoints.model_dump_json()
    secrets = plan.credentials.model_dump(mode="json").values()
    assert not [secret for secret in secrets if secret in shown]


def test_first_key_is_only_in_its_own_environment(plan: StackPlan) -> None:
    key = plan.credentials.api_key.get_secret_value()
    spec = first_key(plan)
    assert spec.environment["SARTIQ_BOOTSTRAP_KEY"] == key
    assert key not in spec.command
    services = [service_spec(plan, service, {}) for service in SERVICES]
    assert not [spec for spec in (migrations(plan), *services) if key in spec.environment.values()]


def test_overrides_win(plan: StackPlan) -> None:
    overrides = {"SARTIQ_S3_BUCKET": "other", "SARTIQ_INFERENCE_ENGINE": "identity"}
    environment = service_spec(plan, SERVICES[0], overrides).environment
    assert overrides.items() <= environment.items()


def test_environment_of_one_service_wins_over_that_of_all(plan: StackPlan) -> None:
    service = Service("worker", "some.worker", environment={"SARTIQ_S3_BUCKET": "its own"})
    environment = service_spec(plan, service, {"SARTIQ_S3_BUCKET": "all"}).environment
    assert environment["SARTIQ_S3_BUCKET"] == "its own"


async def test_worker_is_ready_once_it_wrote_its_file_and_not_by_an_old_one(
    plan: StackPlan,
) -> None:
    spec = service_spec(plan, Service("worker", "some.worker"), {})
    assert spec.is_ready is not None
    ready_file = Path(spec.environment["SARTIQ_WORKER_READY_FILE"])
    spec.clean_up()
    await asyncio.to_thread(ready_file.touch)
    assert await spec.is_ready()
    spec.clean_up()
    assert not await spec.is_ready()


async def test_gateway_is_ready_once_readyz_says_so(plan: StackPlan, gateway: list[str]) -> None:
    spec = service_spec(plan, SERVICES[0], {})
    assert spec.is_ready is not None
    assert not await spec.is_ready()
    assert await spec.is_ready()
    assert gateway == []


async def test_gateway_that_does_not_listen_is_not_ready(plan: StackPlan) -> None:
    spec = service_spec(plan, SERVICES[0], {})
    assert spec.is_ready is not None
    assert not await spec.is_ready()


def test_the_provider_worker_is_started_where_a_provider_has_credentials() -> None:
    def started(environment: dict[str, str]) -> list[str]:
        return [service.name for service in SERVICES if service.is_wanted(environment)]

    plain = ["gateway", "workflow-worker", "inference-worker", "training-worker"]
    assert started({}) == started({"SARTIQ_FAL_KEY": ""}) == plain
    for name in PROVIDER_KEYS:
        assert started({name: "key"}) == [*plain, "provider-worker"]


def test_every_key_that_starts_the_provider_worker_gives_it_work() -> None:
    assert PROVIDER_KEYS == KEY_VARIABLES
