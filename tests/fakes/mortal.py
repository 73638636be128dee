"""A process that dies, or loses a response, at one of its steps to the database and the store.

Steps are counted automatically: a test cuts at the first step, then at the second, until a request
completes without a cut. A new step in the code thereby adds a cut to the test.
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
    """The process was killed with SIGKILL: nothing runs after it, not even cleanup."""


class Fault(Enum):
    """Fault that happens at the step."""

    DEATH = auto()
    """Every later step fails as well."""
    LOSS = auto()
    """The request is lost before the step, or its response after it; the process lives on."""


class Steps:
    """Counter of a process's steps, with a fault at one of them.

    Args:
        fault: the fault at that step.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.cut = 0
        self.names: list[str] = []

    def begin(self, cut: int) -> None:
        """Restart the count, with the cut at a step number from 1."""
        self.cut = cut
        self.names = []

    @property
    def is_cut(self) -> bool:
        """True once the cut has been reached."""
        return 0 < self.cut <= len(self.names)

    @property
    def point(self) -> str:
        """Name of the step at which it was cut."""
        return self.names[self.cut - 1]

    def step(self, name: str, error: Exception) -> None:
        """Count a step, and raise at the cut."""
        if self.is_cut and self.fault is Fault.DEATH:
            raise Killed(f"dead since {self.point}")
        self.names.append(name)
        if len(self.names) == self.cut:
            raise Killed(name) if self.fault is Fault.DEATH else error


class MortalStore:
    """A real object store with a step before and after each request."""

    def __init__(self, store: ObjectStore, steps: Steps) -> None:
        self._store = store
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        method: Callable[..., Awaitable[Any]] = getattr(self._store, name)
        if name in {"open", "stream", "presigned_url"}:  # read only
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
    """Return sessions of the same pool with a step before and after each statement and commit."""
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
    # Raised within the connection, like errors of the driver; an event would come too late.
    commit, roll_back = connection._commit_impl, connection._rollback_impl

    def commit_step_by_step() -> None:
        try:
            _step(session, "before COMMIT")
        except BaseException:
            roll_back()  # as the server does for a lost client
            raise
        commit()
        _step(session, "after COMMIT")

    connection._commit_impl = commit_step_by_step


def _step(session: Session, name: str) -> None:
    session.info["steps"].step(name, ConnectionError("the connection is lost"))
