"""Names are resolved by a real name server on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from pydantic import ValidationError

from shared.contracts.enums import ErrorCategory
from shared.egress.errors import FetchError, ForbiddenUrlError
from shared.egress.guard import Guard
from shared.egress.names import NameResolver
from shared.settings import EgressSettings
from tests.loopback.nameserver import NameServer, name_server

NAMES = {
    "pictures.example": ["203.0.113.7", "198.51.100.7", "2001:db8::7"],
    "mixed.example": ["93.184.216.34", "10.0.0.7"],
}


@asynccontextmanager
async def resolving(
    names: Mapping[str, Sequence[str]], *, silent: Sequence[str] = (), timeout_s: float = 5
) -> AsyncIterator[tuple[NameServer, NameResolver]]:
    async with name_server(names, silent=silent) as server:
        resolver = NameResolver([server.address], timeout_s=timeout_s)
        yield server, resolver
        await resolver.close()


async def test_all_addresses_are_returned() -> None:
    async with resolving(NAMES) as (_, resolve):
        found = await resolve("pictures.example", 443)
    assert sorted(found) == sorted(NAMES["pictures.example"])


async def test_unresponsive_name_servers_block_no_other_and_time_out() -> None:
    async with resolving(NAMES, silent=["silent.example"], timeout_s=2) as (server, resolve):
        begin = time.monotonic()
        silent = [
            asyncio.create_task(resolve(f"n{number}.silent.example", 80)) for number in range(200)
        ]
        async with asyncio.timeout(20):
            while sum(name.endswith("silent.example") for name in server.asked) < 200:
                await asyncio.sleep(0.01)
        assert await resolve("pictures.example", 80)
        assert not any(each.done() for each in silent)
        ends = await asyncio.gather(*silent, return_exceptions=True)
    assert time.monotonic() - begin < 20
    assert {type(end) for end in ends} == {FetchError}
    assert {end.category for end in ends if isinstance(end, FetchError)} == {ErrorCategory.TIMEOUT}
    assert "was not resolved within 2 s" in str(ends[0])


async def test_unknown_name_is_an_error() -> None:
    async with resolving(NAMES) as (_, resolve):
        with pytest.raises(FetchError, match=r"'nobody\.example' cannot be resolved") as caught:
            await resolve("nobody.example", 80)
    assert caught.value.category is ErrorCategory.NETWORK


async def test_hosts_file_and_literal_addresses_need_no_query() -> None:
    async with resolving({}) as (server, resolve):
        assert "127.0.0.1" in await resolve("localhost", 80)
        assert await resolve("192.0.2.7", 80) == ["192.0.2.7"]
        assert await resolve("2001:db8::7", 80) == ["2001:db8::7"]
    assert server.asked == []


async def test_host_with_one_private_address_is_refused_and_the_error_does_not_name_it() -> None:
    async with resolving(NAMES) as (_, resolve):
        with pytest.raises(ForbiddenUrlError, match="not public") as caught:
            await Guard(resolve=resolve).find_addresses("mixed.example", 80)
    assert "10.0.0.7" not in str(caught.value)


def test_resolver_serves_one_loop_after_the_other() -> None:
    resolve = NameResolver()

    async def once() -> list[str]:
        found = await resolve("127.0.0.1", 80)
        await resolve.close()
        return found

    assert [asyncio.run(once()) for _ in range(2)] == [["127.0.0.1"]] * 2


@pytest.mark.parametrize("server", ["10.0.0.53", "10.0.0.53:5353", "2001:db8::53", "[::1]:5353"])
def test_name_servers_are_addresses(server: str) -> None:
    assert EgressSettings(nameservers=(server,)).nameservers == (server,)


@pytest.mark.parametrize("server", ["dns.example", "10.0.0.53:", "10.0.0.53:0", "10.0.0.53:x", ""])
def test_invalid_name_server_is_refused_at_start(server: str) -> None:
    with pytest.raises(ValidationError, match="is not an IP address; write"):
        EgressSettings(nameservers=(server,))
