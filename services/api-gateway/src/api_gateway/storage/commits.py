"""Commits whose outcome is unknown, because the connection broke before the response."""

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.errors import Problem

_log = structlog.stdlib.get_logger(__name__)


class UnknownCommitError(Problem):
    """An unknown outcome of a commit; the sweep removes objects that it left without a row."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "dependency_down",
            "the database does not respond; the request may have succeeded: check, or repeat it",
            headers={"Retry-After": "5"},
        )


async def commit(session: AsyncSession, has_come_through: Callable[[], Awaitable[bool]]) -> None:
    """Commit; if the response is lost, find out the outcome on another connection.

    Args:
        session: its transaction locks the rows that `has_come_through` reads, so that the other
            connection waits until it has ended.
        has_come_through: returns whether the commit succeeded.

    Raises:
        UnknownCommitError: the outcome is unknown.
        Exception: the commit's own error; it did not succeed.
    """
    try:
        await session.commit()
    except Exception as error:
        _log.warning("commit_unanswered", exc_info=error)
        try:
            await session.invalidate()
            is_committed = await has_come_through()
        except Exception as unknown:
            raise UnknownCommitError from unknown
        if not is_committed:
            raise
