"""Alembic's environment: runs migrations over asyncpg, with the caller's URL or the settings'."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.db.models.registry import METADATA
from shared.settings import DatabaseSettings


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=METADATA, compare_type=True)
    with context.begin_transaction():
        # Gateways that start at the same time must not migrate concurrently.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7391)")
        context.run_migrations()


async def _run() -> None:
    url = context.config.attributes.get("url") or DatabaseSettings().url.get_secret_value()
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(_run())
