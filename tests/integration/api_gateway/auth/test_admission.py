"""Authentication over real requests: headers, tokens, limits, and recorded key uses."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from api_gateway.auth.access import Access
from api_gateway.auth.key_cache import KeyCache
from api_gateway.auth.settings import AuthSettings, JwtAlgorithm
from shared.db.repositories.keys import touch_keys
from shared.db.session import create_engine, create_sessions
from shared.settings import DatabaseSettings
from tests.fixtures.credentials import client_with, make_key, row_of, set_column
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.tokens import SECRET, claims, forged, public_pem, rsa_key, settings, token
from tests.integration.api_gateway.test_tasks import GENERATION

PATH = "/api/v1/workflows/"


# --- headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Authorization", f"Bearer {TENANT_KEY}")], 200),
        ([("authorization", f"bearer {TENANT_KEY}")], 200),
        ([("Authorization", f"Bearer {TENANT_KEY}")] * 2, 401),
        ([("Authorization", "Basic YTpi"), ("Authorization", f"Bearer {TENANT_KEY}")], 401),
        ([("Authorization", f"Basic {TENANT_KEY}")], 401),
        ([("Authorization", TENANT_KEY)], 401),
        ([("Authorization", "Bearer")], 401),
        ([("Authorization", "Bearer ")], 401),
        ([("Authorization", f"Bearer {TENANT_KEY} x")], 401),
        ([("Authorization", f"Bearer {TENANT_KEY},{TENANT_KEY}")], 401),
        ([("Authorization", b"Bearer sk_\xff\xfe")], 401),
        ([("Authorization", "Bearer " + "x" * 10_000)], 401),
        ([("X-Api-Key", TENANT_KEY)], 401),
        ([("Cookie", f"Authorization=Bearer {TENANT_KEY}")], 401),
        ([], 401),
    ],
)
async def test_one_well_formed_header_lets_in_and_nothing_else(
    gateway: Gateway, headers: list[tuple[str, Any]], status: int
) -> None:
    async with gateway.client(None) as client:
        answer = await client.get(PATH, headers=headers)
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthorized"


async def test_key_in_the_query_lets_nobody_in(gateway: Gateway) -> None:
    async with gateway.client(None) as client:
        for name in ("key", "api_key", "access_token", "token"):
            assert (await client.get(PATH, params={name: TENANT_KEY})).status_code == 401


async def test_body_of_a_stranger_is_not_read(gateway: Gateway) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 1
            yield b"x" * 65536

    async with gateway.client("sk_unknown") as client:
        answer = await client.post("/api/v1/tasks/", content=body())
    assert (answer.status_code, read) == (401, 0)


# --- expiry, revocation, last use ---------------------------------------------------------------


async def test_revoked_key_works_no_longer_than_it_is_remembered(gateway: Gateway) -> None:
    key = await make_key(gateway)
    async with gateway.client(key, key_cache=KeyCache(ttl_s=0.2)) as client:
        assert (await client.get(PATH)).status_code == 200
        await set_column(gateway, key, revoked_at=datetime.now(UTC))
        async with asyncio.timeout(5):
            while (await client.get(PATH)).status_code == 200:
                await asyncio.sleep(0.02)
        assert (await client.get(PATH)).status_code == 401


async def test_remembered_key_ends_when_it_expires(gateway: Gateway) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=3)
    key = await make_key(gateway, expires_at=expires_at)
    async with gateway.client(key, key_cache=KeyCache(ttl_s=3600)) as client:
        assert (await client.get(PATH)).status_code == 200
        async with asyncio.timeout(30):
            while (await client.get(PATH)).status_code == 200:
                await asyncio.sleep(0.02)
    assert datetime.now(UTC) >= expires_at - timedelta(milliseconds=50)


async def test_use_is_written_behind_the_request_and_once_a_minute(gateway: Gateway) -> None:
    key = await make_key(gateway)
    assert (await row_of(gateway, key)).last_used_at is None
    begin = datetime.now(UTC)
    async with client_with(gateway, AuthSettings(), key) as client:
        await asyncio.gather(*(client.get(PATH) for _ in range(5)))
    first = (await row_of(gateway, key)).last_used_at
    assert first is not None
    assert begin <= first <= datetime.now(UTC)

    # Another process, which does not know what the first one has written.
    async with client_with(gateway, AuthSettings(), key) as client:
        await client.get(PATH)
    assert (await row_of(gateway, key)).last_used_at == first

    await set_column(gateway, key, last_used_at=first - timedelta(minutes=2))
    async with client_with(gateway, AuthSettings(), key) as client:
        await client.get(PATH)
    written = (await row_of(gateway, key)).last_used_at
    assert written is not None
    assert written > first


async def test_refused_key_counts_as_unused(gateway: Gateway) -> None:
    key = await make_key(gateway, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    async with client_with(gateway, AuthSettings(), key) as client:
        assert (await client.get(PATH)).status_code == 401
    assert (await row_of(gateway, key)).last_used_at is None


async def test_use_that_cannot_be_written_is_logged_and_harms_nobody(
    gateway: Gateway, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    engine = create_engine(
        DatabaseSettings(url=SecretStr("postgresql+asyncpg://a:b@127.0.0.1:9/sartiq"))
    )
    access = Access.from_settings(AuthSettings())
    key_id = (await row_of(gateway, TENANT_KEY)).id
    access.last_use.note(create_sessions(engine), key_id)
    await access.close()
    await engine.dispose()
    assert "last_use_not_written" in capfd.readouterr().out + caplog.text


async def test_processes_that_note_the_same_key_do_not_wait_for_each_other(
    gateway: Gateway,
) -> None:
    key_id = (await row_of(gateway, await make_key(gateway))).id
    sessions = gateway.resources.sessions
    async with sessions.begin() as first, sessions.begin() as second:
        await touch_keys(first, {key_id})
        async with asyncio.timeout(5):
            await touch_keys(second, {key_id})


# --- tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "signing_key"),
    [(JwtAlgorithm.HS256, SECRET), (JwtAlgorithm.RS256, rsa_key())],
)
async def test_token_sees_and_makes_its_tenants_rows(
    gateway: Gateway, algorithm: JwtAlgorithm, signing_key: Any
) -> None:
    text = token(signing_key, algorithm)
    async with client_with(gateway, settings(algorithm), text) as bearer:
        made = await bearer.post("/api/v1/tasks/", json=GENERATION)
        assert (made.status_code, made.json()["origin_tenant_id"]) == (201, "acme")
        refused = await bearer.post(
            "/api/v1/tasks/", json=GENERATION | {"origin_tenant_id": "other"}
        )
        assert refused.status_code == 403
    path = f"/api/v1/tasks/{made.json()['id']}"
    async with gateway.client(TENANT_KEY) as same_tenant:
        assert (await same_tenant.get(path)).status_code == 200
    elsewhere = token(signing_key, algorithm, origin_tenant_id="other")
    async with client_with(gateway, settings(algorithm), elsewhere) as other:
        assert (await other.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (token(exp=timedelta(minutes=-1)), JwtAlgorithm.HS256),
        (token(aud="other"), JwtAlgorithm.HS256),
        (token(sub=None), JwtAlgorithm.HS256),
        (forged({"alg": "none"}, claims()), JwtAlgorithm.HS256),
        (
            forged({"alg": "HS256"}, claims(), public_pem(rsa_key()).encode()),
            JwtAlgorithm.RS256,
        ),
        (token(filler="x" * 9000), JwtAlgorithm.HS256),
    ],
)
async def test_token_that_does_not_hold_is_401(
    gateway: Gateway, text: str, algorithm: JwtAlgorithm
) -> None:
    async with client_with(gateway, settings(algorithm), text) as client:
        answer = await client.get(PATH)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_good_token_is_401_where_none_are_taken(gateway: Gateway) -> None:
    async with client_with(gateway, AuthSettings(), token()) as client:
        assert (await client.get(PATH)).status_code == 401


async def test_keys_work_beside_tokens(gateway: Gateway) -> None:
    async with client_with(gateway, settings(), TENANT_KEY) as client:
        assert (await client.get(PATH)).status_code == 200


async def test_token_without_scopes_is_403(gateway: Gateway) -> None:
    async with client_with(gateway, settings(), token(scope="openid")) as client:
        assert (await client.get(PATH)).status_code == 403


async def test_key_set_that_cannot_be_had_is_503(gateway: Gateway) -> None:
    chosen = settings(JwtAlgorithm.RS256, jwt_jwks_url="http://127.0.0.1:9/jwks.json")
    async with client_with(gateway, chosen, token(rsa_key(), "RS256")) as client:
        answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_down")
    assert answer.headers["retry-after"]
