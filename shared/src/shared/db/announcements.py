"""After a commit: who is to hear that events wait to be delivered.

Whoever writes an event need not think of it: the session remembers, and tells after its commit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from shared.db.session import Sessions

_LISTENER, _SUBJECTS = "announcement_listener", "announced_subjects"


@dataclass(frozen=True)
class Announcement:
    """A subject that has events to be delivered."""

    subject_id: UUID
    subject_kind: str
    origin_instance: str
    origin_tenant_id: str | None
    is_replay: bool = False
    """A delivery that waits for another attempt is to look again at once."""


Listener = Callable[[frozenset[Announcement]], None]
"""Called within the event loop; neither awaited nor allowed to raise."""


def announcing(sessions: Sessions, listener: Listener) -> Sessions:
    """Sessions of the same pool that tell a listener of each commit that left deliveries."""
    bind: Any = sessions.kw["bind"]
    return async_sessionmaker(bind, expire_on_commit=False, info={_LISTENER: listener})


def announce(session: AsyncSession, announcement: Announcement) -> None:
    """Tell the listener, if there is one and once this transaction is committed."""
    session.info.setdefault(_SUBJECTS, set[Announcement]()).add(announcement)


@event.listens_for(Session, "after_commit")
def _tell(session: Session) -> None:  # pyright: ignore[reportUnusedFunction] -- SQLAlchemy calls it
    if session.in_nested_transaction():
        return
    subjects: set[Announcement] | None = session.info.pop(_SUBJECTS, None)
    listener: Listener | None = session.info.get(_LISTENER)
    if subjects and listener is not None:
        listener(frozenset(subjects))
