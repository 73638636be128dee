"""Platforms of the end-to-end tests: a shared one, and one whose servers may be killed."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from shared.settings import StorageSettings
from shared.storage.s3 import S3ObjectStore
from tests.fixtures.own_services import OwnServices
from tests.fixtures.platform import Platform
from tests.fixtures.provider_platform import ProviderPlatform
from tests.fixtures.servers import Servers

_OVERRIDES = {
    # URLs of pictures may name this machine: presigned ones name its object store.
    "SARTIQ_EGRESS_ALLOWED_HOSTS": '["127.0.0.1"]',
    # The provider worker is started later, by the first test that needs it.
    "SARTIQ_TRAINING_CAN_CAPTION": "true",
    # A tile of 4K takes the sandbox seconds.
    "SARTIQ_INFERENCE_REMOTE_SIZE": "1K",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
async def platform(platform_servers: Servers) -> AsyncIterator[Platform]:
    with tempfile.TemporaryDirectory(prefix="sartiq-e2e-") as folder:
        services = OwnServices(platform_servers, Path(folder), _OVERRIDES)
        async with services as stack, _opened(stack) as opened:
            yield opened


@pytest.fixture(scope="session")
async def providers(platform: Platform) -> AsyncIterator[ProviderPlatform]:
    """The shared platform with the providers' sandbox, which the first test in need starts."""
    services = platform.stack
    assert isinstance(services, OwnServices)
    await services.start_sandbox()
    async with httpx.AsyncClient(
        base_url=services.sandbox_url, timeout=30, trust_env=False
    ) as sandbox:
        yield ProviderPlatform(platform, sandbox, services.sandbox_key)


@pytest.fixture(scope="session")
async def breakable_platform() -> AsyncIterator[Platform]:
    """A platform of its own, whose servers may be killed as well."""
    with tempfile.TemporaryDirectory(prefix="sartiq-e2e-") as folder:
        settings = LocalSettings(state_dir=Path(folder))
        async with LocalStack(settings) as stack, _opened(stack) as opened:
            yield opened


@asynccontextmanager
async def _opened(stack: LocalStack | OwnServices) -> AsyncIterator[Platform]:
    environment = stack.environment
    objects = S3ObjectStore(
        StorageSettings(
            endpoint=environment["SARTIQ_S3_ENDPOINT"],
            access_key=environment["SARTIQ_S3_ACCESS_KEY"],
            secret_key=environment["SARTIQ_S3_SECRET_KEY"],
            bucket=environment["SARTIQ_S3_BUCKET"],
        )
    )
    async with httpx.AsyncClient(
        base_url=stack.endpoints.gateway_url,
        headers={"Authorization": f"Bearer {stack.api_key}"},
        timeout=60,
        trust_env=False,
    ) as api:
        yield Platform(stack, api, objects)
    objects.close()
