"""Connection pool and sessions."""

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
    """Create a connection pool.

    Args:
        settings: URL and size of the pool.
        is_pinging: test each connection before use, which costs one round trip; not needed if the
            caller retries failed work.
    """
    engine = create_async_engine(
        settings.url.get_secret_value(),
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        # Parameters contain prompts, which must not be logged.
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
    """Parse JSON with pydantic's parser, several times faster than the standard library."""
    try:
        return from_json(text)
    except ValueError:
        # The fast parser limits the depth; the standard library does not.
        return json.loads(text)


def _refuse_closed(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    """Reject a connection that the server has closed, so that the pool opens a new one.

    The driver knows this without a round trip: a restart of Postgres makes no request fail.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Return sessions whose objects stay readable after a commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


def reading_engine(sessions: Sessions) -> AsyncEngine:
    """Return an engine of the same pool for single read statements, in autocommit mode.

    This saves the round trips of BEGIN and ROLLBACK.
    """
    engine: AsyncEngine = sessions.kw["bind"]
    return engine.execution_options(isolation_level="AUTOCOMMIT")


async def plan_for_values(session: AsyncSession) -> None:
    """Make Postgres plan each statement of this transaction for its actual parameters.

    For lists with filters: the best index depends on the values, and a generic plan may scan the
    whole table.
    """
    await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
