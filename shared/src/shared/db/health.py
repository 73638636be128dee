"""Check that the database accepts writes, without writing a row."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.db.session import Sessions

_INSUFFICIENT_RESOURCES = "53"
"""Class of SQLSTATE: disk full or out of memory."""
_PREPARE = text(
    "SELECT current_setting('transaction_read_only'), set_config('work_mem', '64kB', true)"
)
_WRITE = text("SELECT pg_current_xact_id()::text, count(*) FROM generate_series(1, 20000)")
"""The rows exceed `work_mem` and are written to a temporary file, which fails on a full disk.
Because of the transaction id, the commit is written to the WAL."""


async def find_write_fault(sessions: Sessions) -> str | None:
    """Return why the database does not accept writes; none if it does.

    Raises:
        DBAPIError: the database does not respond.
        OSError: the database does not respond.
    """
    try:
        async with sessions.begin() as session:
            is_read_only, _ = (await session.execute(_PREPARE)).one()
            if is_read_only == "on":
                return "does not accept writes: it is read-only"
            await session.execute(_WRITE)
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", "") or "")
        if not state.startswith(_INSUFFICIENT_RESOURCES):
            raise
        return "does not accept writes: its disk is full, or another resource is exhausted"
    return None
