"""The key commands on a real database."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import Result
from sqlalchemy import select
from typer.testing import CliRunner

from api_gateway.commands import app
from shared.db.models.tables import ApiKey
from shared.db.repositories.keys import hash_key
from tests.fixtures.gateway import Gateway

PATH = "/api/v1/workflows/"


@pytest.fixture(autouse=True)
def environment(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTIQ_DB_URL", gateway.stack.environment["SARTIQ_DB_URL"])


async def sartiq(*arguments: str) -> Result:
    # In a thread, since the command runs its own event loop.
    return await asyncio.to_thread(CliRunner().invoke, app, ["keys", *arguments])


async def created(gateway: Gateway, *options: str) -> tuple[str, ApiKey]:
    result = await sartiq("create", "--name", "shop backend", *options)
    assert result.exit_code == 0, result.output
    key = result.stdout.strip()
    async with gateway.resources.sessions() as session:
        row = await session.scalar(select(ApiKey).where(ApiKey.key_hash == hash_key(key)))
    assert row is not None
    return key, row


async def status_with(gateway: Gateway, key: str) -> int:
    async with gateway.client(key) as client:
        return (await client.get(PATH)).status_code


async def test_created_key_is_shown_alone_and_works(gateway: Gateway) -> None:
    key, row = await created(gateway)
    assert key.startswith("sk_")
    assert len(key) == 46
    assert (row.scopes, row.origin_instance, row.expires_at) == (["compute"], None, None)
    assert row.prefix == key[:14]
    assert key not in str(vars(row))
    assert await status_with(gateway, key) == 200


async def test_options_bind_scope_and_limit_the_key(gateway: Gateway) -> None:
    before = datetime.now(UTC)
    options = ("--scope", "admin", "--scope", "compute", "--instance", "shop", "--tenant", "acme")
    _, row = await created(gateway, *options, "--expires-in", "30d", "--requests-per-minute", "60")
    assert row.scopes == ["admin", "compute"]
    assert (row.origin_instance, row.origin_tenant_id) == ("shop", "acme")
    assert row.requests_per_minute == 60
    assert row.expires_at is not None
    assert before + timedelta(days=30) <= row.expires_at <= datetime.now(UTC) + timedelta(days=30)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--name", ""),
        ("--name", "n" * 101),
        ("--name", "x", "--scope", "root"),
        ("--name", "x", "--tenant", "acme"),
        ("--name", "x", "--instance", ""),
        ("--name", "x", "--expires-in", "0d"),
        ("--name", "x", "--expires-in", "tomorrow"),
        ("--name", "x", "--expires-in", "-5d"),
        ("--name", "x", "--expires-in", "999999w"),
        ("--name", "x", "--requests-per-minute", "0"),
    ],
)
async def test_wrong_options_make_no_key(gateway: Gateway, options: tuple[str, ...]) -> None:
    before = await gateway.row_counts()
    result = await sartiq("create", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert await gateway.row_counts() == before


async def test_list_shows_what_keys_may_do_but_not_the_keys(gateway: Gateway) -> None:
    key, row = await created(gateway, "--instance", "shop", "--tenant", "[red]acme")
    gone, gone_row = await created(gateway)
    await sartiq("revoke", str(gone_row.id))
    result = await sartiq("list")
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    for shown in (row.prefix, "shop backend", "compute", "shop/[red]acme", "active"):
        assert shown in lines[str(row.id)]
    assert "revoked" in lines[str(gone_row.id)]
    assert key not in result.output
    assert gone not in result.output


@pytest.mark.parametrize("by", ["id", "prefix"])
async def test_revoked_key_lets_nobody_in(gateway: Gateway, by: str) -> None:
    key, row = await created(gateway)
    for _ in range(2):
        result = await sartiq("revoke", str(getattr(row, by)))
        assert (result.exit_code, str(row.id) in result.stdout) == (0, True)
    assert await status_with(gateway, key) == 401


@pytest.mark.parametrize("name", ["", "sk_", "nothing", "00000000-0000-0000-0000-000000000000"])
async def test_unknown_key_is_not_revoked(name: str) -> None:
    result = await sartiq("revoke", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no key has this id or prefix" in result.stderr


async def test_prefix_of_several_keys_revokes_none(gateway: Gateway) -> None:
    async with gateway.resources.sessions.begin() as session:
        session.add_all(
            ApiKey(name="twin", prefix="sk_twin", key_hash=hash_key(f"twin {n}"), scopes=[])
            for n in range(2)
        )
    result = await sartiq("revoke", "sk_twin")
    assert result.exit_code == 1
    assert "give the id" in result.stderr
    async with gateway.resources.sessions() as session:
        rows = await session.scalars(select(ApiKey).where(ApiKey.prefix == "sk_twin"))
        assert {row.revoked_at for row in rows} == {None}


async def test_bootstrap_key_is_let_in_once(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await sartiq("ensure")).exit_code == 1
    monkeypatch.setenv("SARTIQ_BOOTSTRAP_KEY", "bootstrap-" + "k" * 32)
    for _ in range(2):
        result = await sartiq("ensure")
        assert (result.exit_code, result.output) == (0, "")
    assert await status_with(gateway, "bootstrap-" + "k" * 32) == 200


async def test_database_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTIQ_DB_URL", "postgresql+asyncpg://a:dbword@127.0.0.1:9/x")
    result = await sartiq("create", "--name", "x")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "SARTIQ_DB_URL" in result.stderr
    assert "dbword" not in result.output
