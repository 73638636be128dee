"""Commits whose answer may be lost: the connection breaks, and nobody says what became of it."""

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.errors import Problem

_log = structlog.stdlib.get_logger(__name__)


class UnknownCommitError(Problem):
    """Nobody knows whether a commit came through; what hangs on it is left to the sweep."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "dependency_down",
            "the database does not answer; the request may have been done: look, or repeat it",
            headers={"Retry-After": "5"},
        )


async def commit(session: AsyncSession, has_come_through: Callable[[], Awaitable[bool]]) -> None:
    """Commit; where the answer is lost, learn on another connection what became of it.

    Args:
        session: its transaction holds the rows that the question is about: who asks for them
            elsewhere waits until it has ended.
        has_come_through: asks.

    Raises:
        UnknownCommitError: nobody knows.
        Exception: that of the commit; it did not come through.
    """
    try:
        await session.commit()
    except Exception as error:
        _log.warning("commit_unanswered", exc_info=error)
        try:
            await session.invalidate()
            is_committed = await has_come_through()
        except Exception as unlearnt:
            raise UnknownCommitError from unlearnt
        if not is_committed:
            raise
