"""A COMMIT whose response is lost: its outcome is read back and reported."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from shared.db.session import Sessions, create_engine, create_sessions
from shared.settings import DatabaseSettings
from tests.faults.proxy import NetworkFault, Proxy, Stall
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.storage import BLUE, RED, at, everything, save

Ask = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


@pytest.fixture(autouse=True)
def _without_logs() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
async def cable(gateway: Gateway) -> AsyncIterator[Proxy]:
    """The connection between a gateway and Postgres."""
    url = make_url(gateway.stack.environment["SARTIQ_DB_URL"])
    async with Proxy(f"{url.host}:{url.port}") as proxy:
        yield proxy


@pytest.fixture
async def far_sessions(gateway: Gateway, cable: Proxy) -> AsyncIterator[Sessions]:
    """Sessions over that connection."""
    host, _, port = cable.address.rpartition(":")
    url = make_url(gateway.stack.environment["SARTIQ_DB_URL"]).set(host=host, port=int(port))
    text = url.render_as_string(hide_password=False)
    engine = create_engine(DatabaseSettings(url=SecretStr(text)))
    yield create_sessions(engine)
    await engine.dispose()


async def save_blue(client: httpx.AsyncClient, path: str) -> httpx.Response:
    return await save(client, path, BLUE)


async def delete(client: httpx.AsyncClient, path: str) -> httpx.Response:
    return await client.delete(at(path))


async def content(client: httpx.AsyncClient, path: str) -> bytes | None:
    read = await client.get(at(path))
    return read.content if read.status_code == 200 else None


@pytest.mark.parametrize("is_forwarded", [True, False], ids=["committed", "not committed"])
@pytest.mark.parametrize(
    ("before", "ask", "after"),
    [
        pytest.param(None, save_blue, BLUE, id="save"),
        pytest.param(RED, save_blue, BLUE, id="replace"),
        pytest.param(RED, delete, None, id="delete"),
    ],
)
async def test_lost_answer_to_a_commit_is_read_back(
    gateway: Gateway,
    cable: Proxy,
    far_sessions: Sessions,
    folder: str,
    *,
    before: bytes | None,
    ask: Ask,
    after: bytes | None,
    is_forwarded: bool,
) -> None:
    marker = folder.rpartition("/")[0] + "/"  # of the path alone, not of the object's key
    async with (
        gateway.client(TENANT_KEY) as near,
        gateway.client(TENANT_KEY, sessions=far_sessions) as far,
    ):
        if before:
            await save(near, folder, before)
        left = await everything(gateway)
        stall = Stall(b"COMMIT", after=folder.encode(), is_forwarded=is_forwarded)
        cable.impose(NetworkFault(stall=stall))

        asking = asyncio.create_task(ask(far, folder))
        await asyncio.wait_for(cable.stalled.wait(), 20)
        cable.cut()
        answer = await asking

        assert answer.is_success == is_forwarded, answer.text
        assert answer.is_success or answer.status_code == 503
        assert await content(near, folder) == (after if is_forwarded else before), marker
        if not is_forwarded:
            assert await everything(gateway) == left
        again = await ask(near, folder)
        assert again.is_success or again.status_code == 404
        assert await content(near, folder) == after


async def test_commit_that_cannot_be_learnt_is_left_to_the_sweep(
    gateway: Gateway, cable: Proxy, far_sessions: Sessions, folder: str
) -> None:
    async with (
        gateway.client(TENANT_KEY) as near,
        gateway.client(TENANT_KEY, sessions=far_sessions) as far,
    ):
        await save(near, folder, RED)
        cable.impose(NetworkFault(stall=Stall(b"COMMIT", folder.encode(), is_forwarded=True)))
        asking = asyncio.create_task(save(far, folder, BLUE))
        await asyncio.wait_for(cable.stalled.wait(), 20)
        cable.impose(NetworkFault(reset_after_bytes=1))  # and does not recover
        cable.cut()
        answer = await asking

        assert answer.status_code == 503
        assert "may have succeeded" in answer.json()["detail"]
        assert await content(near, folder) == BLUE
