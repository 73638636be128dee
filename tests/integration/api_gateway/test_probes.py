"""Probes on real parts that are away, full or read-only: what they tell, what ends readiness."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine

from api_gateway.settings import GatewaySettings
from shared.db.session import Sessions, create_engine, create_sessions
from shared.settings import DatabaseSettings, StorageSettings, TemporalSettings
from shared.storage.s3 import S3ObjectStore
from shared.temporal.client import connect
from tests.fakes.broken_store import BrokenStore
from tests.fixtures.gateway import Gateway

_DEAD = "127.0.0.1:9"
_PARTS = {"database", "uploads", "storage", "temporal"}


@asynccontextmanager
async def sessions_with(gateway: Gateway, **server_settings: str) -> AsyncIterator[Sessions]:
    """The same database, whose server treats these connections so."""
    url = gateway.stack.environment["SARTIQ_DB_URL"]
    engine = create_async_engine(url, connect_args={"server_settings": server_settings})
    yield create_sessions(engine)
    await engine.dispose()


async def faults(gateway: Gateway, *, ready: int, healthy: int, **changes: Any) -> dict[str, str]:
    """What both probes tell is wrong."""
    async with gateway.client(key=None, **changes) as client:
        readiness, health = [await client.get(path) for path in ("/readyz", "/health")]
    assert (readiness.status_code, health.status_code) == (ready, healthy), readiness.text
    assert readiness.json()["checks"] == health.json()["checks"]
    checks = health.json()["checks"]
    assert set(checks) == _PARTS
    return {name: answer for name, answer in checks.items() if answer != "ok"}


async def test_platform_that_works_is_ready(gateway: Gateway) -> None:
    assert await faults(gateway, ready=200, healthy=200) == {}


async def test_temporal_that_is_away_is_told_and_leaves_the_gateway_ready(
    gateway: Gateway,
) -> None:
    temporal = await connect(TemporalSettings(address=_DEAD), identity="tests", is_lazy=True)
    told = await faults(gateway, ready=200, healthy=503, temporal=temporal)
    assert told == {"temporal": "does not answer"}


async def test_store_that_is_away_is_told_and_leaves_the_gateway_ready(gateway: Gateway) -> None:
    objects = S3ObjectStore(StorageSettings(endpoint=_DEAD))
    told = await faults(gateway, ready=200, healthy=503, objects=objects)
    objects.close()
    assert told == {"storage": "does not answer"}


async def test_store_that_is_full_is_told_and_leaves_the_gateway_ready(gateway: Gateway) -> None:
    objects = BrokenStore(gateway.resources.objects, "put")
    told = await faults(gateway, ready=200, healthy=503, objects=objects)
    assert told == {"storage": "takes no writes"}


async def test_database_that_is_away_ends_readiness(gateway: Gateway) -> None:
    url = SecretStr(f"postgresql+asyncpg://a:b@{_DEAD}/sartiq")
    engine = create_engine(DatabaseSettings(url=url))
    told = await faults(gateway, ready=503, healthy=503, sessions=create_sessions(engine))
    await engine.dispose()
    assert told == {"database": "does not answer"}


async def test_database_that_is_read_only_ends_readiness(gateway: Gateway) -> None:
    async with sessions_with(gateway, default_transaction_read_only="on") as sessions:
        told = await faults(gateway, ready=503, healthy=503, sessions=sessions)
    assert told == {"database": "does not accept writes: it is read-only"}


async def test_database_without_room_for_one_more_file_ends_readiness(gateway: Gateway) -> None:
    """It may write no temporary file, which is what a full disk comes to."""
    async with sessions_with(gateway, temp_file_limit="0") as sessions:
        told = await faults(gateway, ready=503, healthy=503, sessions=sessions)
    assert "disk is full" in told["database"]
    assert set(told) == {"database"}


async def test_full_folder_of_uploads_ends_readiness(gateway: Gateway) -> None:
    settings = GatewaySettings(min_free_upload_bytes=2**60)
    told = await faults(gateway, ready=503, healthy=503, settings=settings)
    assert told == {"uploads": f"the temporary folder has less than {2**60} bytes left"}


async def test_folder_of_uploads_that_takes_nothing_ends_readiness(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    told = await faults(gateway, ready=503, healthy=503)
    assert told == {"uploads": "the temporary folder takes no writes"}


async def test_what_the_probes_write_is_no_clients_to_read(gateway: Gateway) -> None:
    async with gateway.client() as api:
        assert (await api.get("/readyz")).status_code == 200
        listed = (await api.get("/api/v1/storage/images")).json()["images"]
        assert [image for image in listed if "readiness" in image["path"]] == []
        assert (await api.get("/api/v1/storage/images/.readiness")).status_code == 422
