"""A process that dies, or loses an answer, at one of its steps to the database and the store.

The steps count themselves: a test cuts at the first, then at the second, until a request comes to
its end without being cut. Whoever adds a step adds a cut.
"""

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session

from shared.db.session import Sessions
from shared.errors import StorageError
from shared.storage.object_store import ObjectStore


class Killed(BaseException):
    """kill -9: nothing that comes after it is done, not even tidying up."""


class Fault(Enum):
    """Fault that happens at the step."""

    DEATH = auto()
    """Every later step fails, too."""
    LOSS = auto()
    """The request is lost before the step, or its answer after it; the process lives on."""


class Steps:
    """Counts the steps of a process, and cuts at one of them.

    Args:
        fault: what happens there.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.cut = 0
        self.names: list[str] = []

    def begin(self, cut: int) -> None:
        """Live, and be cut at a step by its number, from 1."""
        self.cut = cut
        self.names = []

    @property
    def is_cut(self) -> bool:
        """Return whether it has come so far."""
        return 0 < self.cut <= len(self.names)

    @property
    def point(self) -> str:
        """The step at which it was cut."""
        return self.names[self.cut - 1]

    def step(self, name: str, error: Exception) -> None:
        """Take a step."""
        if self.is_cut and self.fault is Fault.DEATH:
            raise Killed(f"dead since {self.point}")
        self.names.append(name)
        if len(self.names) == self.cut:
            raise Killed(name) if self.fault is Fault.DEATH else error


class MortalStore:
    """A real object store whose every request, and every answer, is a step."""

    def __init__(self, store: ObjectStore, steps: Steps) -> None:
        self._store = store
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Awaitable[Any]] = getattr(self._store, name)
        if name in {"open", "stream", "presigned_url"}:  # they change nothing
            return method

        async def step_by_step(*args: Any, **kwargs: Any) -> Any:
            self._steps.step(f"before {name}", StorageError("the request is lost"))
            result = await method(*args, **kwargs)
            self._steps.step(f"after {name}", StorageError("the answer is lost"))
            return result

        return step_by_step


class _MortalSession(Session):
    pass


def mortal_sessions(sessions: Sessions, steps: Steps) -> Sessions:
    """Sessions of the same pool whose every statement and commit, and every answer, is a step."""
    bind: Any = sessions.kw["bind"]
    return async_sessionmaker(
        bind, expire_on_commit=False, sync_session_class=_MortalSession, info={"steps": steps}
    )


@event.listens_for(_MortalSession, "after_begin")
def _watch(session: Session, _transaction: object, connection: Connection) -> None:
    def watch(when: str) -> None:
        def step(*context: Any) -> None:
            statement = " ".join(context[2].split()[:3])
            _step(session, f"{when} {statement}")

        event.listen(connection, f"{when}_cursor_execute", step)

    watch("before")
    watch("after")
    # Within the connection, as the driver's own errors come; an event would come too late.
    commit, roll_back = connection._commit_impl, connection._rollback_impl

    def commit_step_by_step() -> None:
        try:
            _step(session, "before COMMIT")
        except BaseException:
            roll_back()  # as the server does for who is gone
            raise
        commit()
        _step(session, "after COMMIT")

    connection._commit_impl = commit_step_by_step


def _step(session: Session, name: str) -> None:
    session.info["steps"].step(name, ConnectionError("the connection is lost"))
