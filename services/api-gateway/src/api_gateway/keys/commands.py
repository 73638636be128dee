"""Commands to create, list and revoke API keys in the database of `SARTIQ_DB_URL`.

`create` shows a key once, alone on standard output; only its hash is stored.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import COMPUTE, SCOPES
from api_gateway.keys.key_table import key_table, parse_duration
from shared.db.models.tables import ApiKey
from shared.db.repositories.keys import (
    KeyGrant,
    add_key,
    ensure_key,
    find_keys,
    generate_key,
    list_keys,
    revoke_key,
)
from shared.db.session import create_engine, create_sessions
from shared.settings import DatabaseSettings

_ResultT = TypeVar("_ResultT")

_LEAST_LENGTH = 32
_LONGEST_NAME = 100
_LEAST_WIDTH = 200

app = typer.Typer(
    help="API keys.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _name(value: str | None) -> str | None:
    if value is None or (0 < len(value) <= _LONGEST_NAME and value.isprintable()):
        return value
    raise typer.BadParameter(f"must be 1 to {_LONGEST_NAME} printable characters")


def _scopes(values: list[str]) -> list[str]:
    if unknown := sorted(set(values) - SCOPES):
        known = ", ".join(sorted(SCOPES))
        raise typer.BadParameter(f"{', '.join(unknown)} is no scope; the scopes are {known}")
    return sorted(set(values))


def _expiry(value: str | None) -> datetime | None:
    try:
        return None if value is None else datetime.now(UTC) + parse_duration(value)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter("must be like 90m, 12h, 30d or 52w, and 1m at least") from error


@app.command()
def create(
    *,
    name: Annotated[str, typer.Option(help="What the key is for.", callback=_name)],
    scope: Annotated[
        list[str], typer.Option(help="compute or admin; may be repeated.", callback=_scopes)
    ] = [COMPUTE],  # noqa: B006 -- typer needs a list; nothing changes it
    instance: Annotated[
        str | None, typer.Option(help="Bind it to an origin instance.", callback=_name)
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Bind it to a tenant of that instance.", callback=_name)
    ] = None,
    expires_in: Annotated[str | None, typer.Option(help="90m, 12h, 30d, 52w.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, max=1_000_000)] = None,
) -> None:
    """Create a key and print it, this once. Without --instance it sees every tenant's rows."""
    if tenant is not None and instance is None:
        raise typer.BadParameter("--tenant needs --instance: tenants are named within one")
    grant = KeyGrant(
        name=name,
        scopes=scope,
        origin_instance=instance,
        origin_tenant_id=tenant,
        expires_at=_expiry(expires_in),
        requests_per_minute=requests_per_minute,
    )
    key = generate_key()
    row = _in_transaction(lambda session: add_key(session, key, grant))
    typer.echo(f"key {row.id}, shown this once:", err=True)
    typer.echo(key)


@app.command("list")
def list_all() -> None:
    """List all keys, revoked ones included, with their scopes and states."""
    rows = _in_transaction(list_keys)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _LEAST_WIDTH
    console.print(key_table(rows, datetime.now(UTC)))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID|PREFIX", help="As `list` shows it.")],
) -> None:
    """Revoke a key permanently; the gateway's cache keeps it for SARTIQ_GATEWAY_KEY_CACHE_S."""

    async def run(session: AsyncSession) -> list[ApiKey]:
        found = await find_keys(session, key)
        if len(found) == 1:
            revoke_key(found[0])
        return found

    match _in_transaction(run):
        case [row]:
            typer.echo(f"revoked {row.id} ({row.name})")
        case []:
            _fail("no key has this id or prefix")
        case _:
            _fail("several keys have this prefix; give the id")


@app.command()
def ensure() -> None:
    """Store the administrator's key in SARTIQ_BOOTSTRAP_KEY, which was generated elsewhere."""
    key = os.environ.get("SARTIQ_BOOTSTRAP_KEY", "")
    if len(key) < _LEAST_LENGTH:
        _fail(f"SARTIQ_BOOTSTRAP_KEY must hold a key of {_LEAST_LENGTH} characters at least")
    scopes = sorted(SCOPES)
    _in_transaction(lambda session: ensure_key(session, key, name="bootstrap", scopes=scopes))


def _in_transaction(work: Callable[[AsyncSession], Awaitable[_ResultT]]) -> _ResultT:
    async def run() -> _ResultT:
        engine = create_engine(DatabaseSettings())
        try:
            async with create_sessions(engine).begin() as session:
                return await work(session)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except (SQLAlchemyError, OSError) as error:
        # Only the first line: the others may contain the statement's values.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        _fail(f"the database of SARTIQ_DB_URL cannot do this: {reason}")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
