"""Whether the database takes writes, found out without writing a row."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.db.session import Sessions

_INSUFFICIENT_RESOURCES = "53"
"""Class of SQLSTATE: the disk is full, or memory."""
_PREPARE = text(
    "SELECT current_setting('transaction_read_only'), set_config('work_mem', '64kB', true)"
)
_WRITE = text("SELECT pg_current_xact_id()::text, count(*) FROM generate_series(1, 20000)")
"""The numbers do not fit into `work_mem`: they go into a temporary file beside the tables, which a
full disk refuses. The transaction's id has its commit written to the log."""


async def find_write_fault(sessions: Sessions) -> str | None:
    """Why the database takes no writes; none where it does.

    Raises:
        DBAPIError: it does not answer.
        OSError: the same.
    """
    try:
        async with sessions.begin() as session:
            is_read_only, _ = (await session.execute(_PREPARE)).one()
            if is_read_only == "on":
                return "takes no writes: it is read-only"
            await session.execute(_WRITE)
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", "") or "")
        if not state.startswith(_INSUFFICIENT_RESOURCES):
            raise
        return "takes no writes: its disk is full, or another of its resources is used up"
    return None
