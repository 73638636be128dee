"""The connection pool and its sessions."""

import json
from typing import Any

from pydantic_core import from_json
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import AdaptedConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from shared.settings import DatabaseSettings

Sessions = async_sessionmaker[AsyncSession]


def create_engine(settings: DatabaseSettings, *, is_pinging: bool = True) -> AsyncEngine:
    """Open a pool.

    Args:
        settings: where the database is.
        is_pinging: ask a connection for a sign of life before use, one round trip; not needed
            where the caller repeats what failed.
    """
    engine = create_async_engine(
        settings.url.get_secret_value(),
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        # Parameters hold prompts, which belong in no log.
        hide_parameters=True,
        pool_timeout=10,
        pool_pre_ping=is_pinging,
        pool_recycle=1800,
        connect_args={"timeout": 5, "command_timeout": 30},
        json_deserializer=_parse_json,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _parse_json(text: str) -> Any:
    """Several times faster than the standard library; a page of tasks has some hundred values."""
    try:
        return from_json(text)
    except ValueError:
        # It nests deeper than the fast parser goes, which is no reason not to read it.
        return json.loads(text)


def _refuse_closed(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    """Hand out no connection that the server has closed; the pool opens a new one instead.

    The driver knows without asking the server: a restart of Postgres costs no request.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Sessions whose objects stay readable after their commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


def reading_engine(sessions: Sessions) -> AsyncEngine:
    """The same pool for single statements that read: no BEGIN, no ROLLBACK around them.

    Each would be a round trip of its own, and the statement is a transaction by itself.
    """
    engine: AsyncEngine = sessions.kw["bind"]
    return engine.execution_options(isolation_level="AUTOCOMMIT")


async def plan_for_values(session: AsyncSession) -> None:
    """Let every statement of this transaction be planned for the values it comes with.

    For lists with filters: which index is best depends on the values, and a plan that Postgres has
    made for any values may walk the whole table.
    """
    await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
