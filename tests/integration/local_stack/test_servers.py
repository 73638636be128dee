"""The three real servers: started, used, restarted and stopped."""

import asyncio
import contextlib
import io
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import urllib3
from minio import Minio
from minio.error import S3Error
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from urllib3.exceptions import HTTPError

from local_stack.errors import AlreadyRunningError, ChildDiedError
from local_stack.processes import is_alive
from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from local_stack.stack_file import StackFile


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sartiq-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
async def servers() -> AsyncIterator[LocalStack]:
    """A stack of this module's own, since the tests kill its servers."""
    with tempfile.TemporaryDirectory(prefix="sartiq-test-") as folder:
        async with LocalStack(LocalSettings(state_dir=Path(folder)), services=()) as stack:
            yield stack


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    pool = urllib3.PoolManager(retries=False, timeout=10)
    yield pool
    pool.clear()


def object_store(stack: LocalStack, pool: urllib3.PoolManager, *, secret: str = "") -> Minio:
    environment = stack.environment
    return Minio(
        environment["SARTIQ_S3_ENDPOINT"],
        access_key=environment["SARTIQ_S3_ACCESS_KEY"],
        secret_key=secret or environment["SARTIQ_S3_SECRET_KEY"],
        secure=False,
        region="us-east-1",
        http_client=pool,
    )


def sockets_of(stack: LocalStack) -> list[Path]:
    ports = stack.plan.ports
    seaweed = (ports.s3, ports.master, ports.volume, ports.filer, ports.admin)
    patterns = [f"seaweedfs-*-{base + offset}.sock" for base in seaweed for offset in (0, 10_000)]
    return [socket for pattern in patterns for socket in Path("/tmp").glob(pattern)]


async def until(condition: Callable[[], bool], timeout_s: float) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.05)


async def query(stack: LocalStack, sql: str) -> object:
    url = stack.environment["SARTIQ_DB_URL"].replace("+asyncpg", "")
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_postgres_requires_the_password(servers: LocalStack) -> None:
    assert await query(servers, "select current_database()") == "sartiq"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(servers.endpoints.postgres_url, password="guess")


async def test_s3_requires_our_credentials(servers: LocalStack, pool: urllib3.PoolManager) -> None:
    store = object_store(servers, pool)
    content = bytes(range(256)) * 1000
    await asyncio.to_thread(store.put_object, "sartiq", "a/b.bin", io.BytesIO(content), 256_000)
    url = store.presigned_get_object("sartiq", "a/b.bin")
    assert (await asyncio.to_thread(pool.request, "GET", url)).data == content
    unsigned = url.partition("?")[0]
    assert (await asyncio.to_thread(pool.request, "GET", unsigned)).status == 403
    stranger = object_store(servers, pool, secret="guess")
    with pytest.raises(S3Error, match="AccessDenied"):
        await asyncio.to_thread(stranger.stat_object, "sartiq", "a/b.bin")


async def test_temporal_knows_the_namespace_and_our_search_attributes(servers: LocalStack) -> None:
    client = await Client.connect(servers.endpoints.temporal_address)
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace="default")
    )
    assert described.namespace_info.name == "default"
    attributes = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace="default")
    )
    expected = {"TenantId", "TaskType", "Provider", "OriginInstance", "Kind"}
    assert expected <= set(attributes.custom_attributes)


async def test_temporal_ui_responds(servers: LocalStack, pool: urllib3.PoolManager) -> None:
    url = f"{servers.endpoints.temporal_ui_url}/namespaces/default/workflows"
    assert (await asyncio.to_thread(pool.request, "GET", url)).status == 200


@pytest.mark.long
async def test_stop_is_quick_and_leaves_no_process_and_data_survives(
    state_dir: Path, pool: urllib3.PoolManager
) -> None:
    settings = LocalSettings(state_dir=state_dir)
    async with LocalStack(settings, services=()) as stack:
        first = stack.endpoints
        await query(stack, "create table kept as select 42 as answer")
        store = object_store(stack, pool)
        await asyncio.to_thread(store.put_object, "sartiq", "kept", io.BytesIO(b"42"), 2)
        family = [
            process
            for pid in stack.pids.values()
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
        ]
        assert len(family) > 3
        begin = time.monotonic()
    assert time.monotonic() - begin < 15
    assert not [process for process in family if is_alive(process)]
    assert not sockets_of(stack)

    async with LocalStack(settings, services=()) as stack:
        assert stack.endpoints == first
        assert await query(stack, "select answer from kept") == 42
        store = object_store(stack, pool)
        reply = await asyncio.to_thread(store.get_object, "sartiq", "kept")
        assert reply.data == b"42"
        reply.close()


async def test_state_folder_admits_one_stack_at_a_time(servers: LocalStack) -> None:
    state_dir = servers.plan.settings.state_dir
    with pytest.raises(AlreadyRunningError, match=servers.endpoints.gateway_url):
        async with LocalStack(LocalSettings(state_dir=state_dir), services=()):
            pass
    assert await query(servers, "select 1") == 1


@pytest.mark.long
async def test_restarted_server_has_its_data(servers: LocalStack) -> None:
    await query(servers, "create table before_the_kill as select 1 as one")
    await servers.kill("postgres")
    await servers.start("postgres")
    assert await query(servers, "select one from before_the_kill") == 1
    await query(servers, "drop table before_the_kill")


@pytest.mark.long
async def test_store_survives_a_cleanup_of_tmp(
    servers: LocalStack, pool: urllib3.PoolManager
) -> None:
    store = object_store(servers, pool)
    await asyncio.to_thread(store.put_object, "sartiq", "before", io.BytesIO(b"42"), 2)
    before, state_dir = servers.pids, servers.plan.settings.state_dir
    in_tmp = sockets_of(servers)
    assert any("filer-grpc" in socket.name for socket in in_tmp)
    for socket in in_tmp:
        socket.unlink()

    def is_back() -> bool:
        try:
            store.put_object("sartiq", "after", io.BytesIO(b"42"), 2)
            reply = store.get_object("sartiq", "before")
        except (S3Error, HTTPError):
            return False
        with contextlib.closing(reply):
            return reply.data == b"42"

    # Cached connections last for a minute, so another process gives the proof.
    await until(lambda: servers.pids.get("seaweed") not in {None, before["seaweed"]}, 10)
    await until(is_back, 10)
    assert {"filer.sock", "s3.sock"} <= {p.name for p in state_dir.iterdir()}
    assert servers.pids | {"seaweed": 0} == before | {"seaweed": 0}

    def is_noted() -> bool:
        record = StackFile(state_dir).running()
        return record is not None and {c.name: c.pid for c in record.children} == servers.pids

    await until(is_noted, 10)


@pytest.mark.long
async def test_unexpected_end_of_a_server_fails_the_stack(state_dir: Path) -> None:
    async def work() -> None:
        psutil.Process(stack.pids["temporal"]).kill()
        await asyncio.sleep(30)

    with pytest.raises(ChildDiedError, match=r"(?s)temporal was killed by SIGKILL.*Temporal CLI"):
        async with LocalStack(LocalSettings(state_dir=state_dir), services=()) as stack:
            await stack.guard(work())
    assert stack.pids == {}
