"""The client uses mutual TLS with a frontend that requires it."""

from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from shared.settings import TemporalSettings
from shared.temporal.client import connect
from tests.fixtures.certificates import Authority
from tests.fixtures.servers import Servers
from tests.fixtures.tls_front import tls_front

NAME = "temporal.internal"


async def connected(address: str, **fields: Any) -> Client:
    return await connect(TemporalSettings(address=address, **fields), identity="tls-tests")


async def test_mutual_tls_with_a_private_authority(servers: Servers, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, us = authority.sign(NAME), authority.sign("us")
    trust = {"tls_server_ca": authority.cert, "tls_domain": NAME}
    ours = {"tls_client_cert": us.cert, "tls_client_key": us.key}
    backend = servers.endpoints.temporal_address
    async with tls_front(backend, server, clients_of=authority.cert) as address:
        client = await connected(address, **trust, **ours)
        assert await client.service_client.check_health()
        with pytest.raises(RuntimeError):
            await connected(address, **trust)
        with pytest.raises(RuntimeError):
            await connected(address)


async def test_server_with_another_certificate_authority_is_refused(
    servers: Servers, tmp_path: Path
) -> None:
    server = Authority(tmp_path, "theirs").sign(NAME)
    ours = Authority(tmp_path, "ours")
    async with tls_front(servers.endpoints.temporal_address, server) as address:
        with pytest.raises(RuntimeError):
            await connected(address, tls_server_ca=ours.cert, tls_domain=NAME)
