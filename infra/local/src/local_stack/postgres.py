"""Postgres, on loopback TCP with a password.

Its Unix socket is disabled, because the path of the state folder may be too long for one. Its
temporary files are in its data folder.
"""

import shutil
import signal
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from local_stack import binaries
from local_stack.child import ChildSpec
from local_stack.stack_plan import StackPlan
from local_stack.state import write_private
from local_stack.supervisor import Supervisor
from local_stack.system_user import hand_over, make_reachable, user_for_postgres

NAME = "postgres"
_MAINTENANCE_DATABASE = "postgres"


class Postgres:
    """The Postgres server, which stores the records."""

    def __init__(self, plan: StackPlan) -> None:
        self._plan = plan
        self._data = plan.folder(NAME)
        self._user = user_for_postgres(plan.settings.postgres_system_user)

    async def prepare(self, supervisor: Supervisor) -> None:
        """Create the data folder, if it does not exist."""
        if not self._data.exists():
            await self._initialise(supervisor)
        if self._user:
            hand_over(self._data, self._user)
            make_reachable(Path(binaries.postgres("postgres")))

    def spec(self) -> ChildSpec:
        """Return the spec of the server process itself, without `pg_ctl`."""
        ports, settings = self._plan.ports, self._plan.settings
        options = {
            "listen_addresses": settings.host,
            "port": str(ports.postgres),
            "unix_socket_directories": "",
            "max_connections": "200",
        }
        return ChildSpec(
            name=NAME,
            command=(
                binaries.postgres("postgres"),
                "-D",
                str(self._data),
                *(word for key, value in options.items() for word in ("-c", f"{key}={value}")),
            ),
            cwd=self._data,
            is_ready=self._is_ready,
            user=self._user,
            stop_signal=signal.SIGINT,  # "fast" shutdown: does not wait for clients
            death_signal=signal.SIGQUIT,  # "immediate" shutdown: ends its own children
        )

    async def create_database(self) -> None:
        """Create the database, if it does not exist."""
        name = self._plan.settings.database
        engine = create_async_engine(
            self._plan.database_url(_MAINTENANCE_DATABASE),
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
        )
        async with engine.connect() as connection:
            query = text("SELECT 1 FROM pg_database WHERE datname = :name")
            if await connection.scalar(query, {"name": name}) is None:
                quoted = engine.dialect.identifier_preparer.quote_identifier(name)
                await connection.execute(text(f"CREATE DATABASE {quoted}"))
        await engine.dispose()

    async def _initialise(self, supervisor: Supervisor) -> None:
        """Create the data folder under a temporary name first, so that it is always complete."""
        draft = self._plan.folder(f"{NAME}.draft")
        password_file = self._plan.folder("initdb.password")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        write_private(password_file, self._plan.credentials.postgres_password.get_secret_value())
        if self._user:
            for path in (draft, password_file):
                hand_over(path, self._user)
            make_reachable(Path(binaries.postgres("initdb")))
        try:
            await supervisor.run(self._initdb(draft, password_file))
        finally:
            password_file.unlink()
        draft.rename(self._data)

    def _initdb(self, data: Path, password_file: Path) -> ChildSpec:
        return ChildSpec(
            name="initdb",
            command=(
                binaries.postgres("initdb"),
                f"--pgdata={data}",
                f"--username={self._plan.settings.database_user}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale-provider=builtin",  # the same collation on every machine
                "--locale=C.UTF-8",
                "--no-sync",
            ),
            cwd=data,
            user=self._user,
        )

    async def _is_ready(self) -> bool:
        engine = create_async_engine(
            self._plan.database_url(_MAINTENANCE_DATABASE), poolclass=NullPool
        )
        try:
            async with engine.connect():
                return True
        except (OSError, DBAPIError):
            return False
        finally:
            await engine.dispose()
