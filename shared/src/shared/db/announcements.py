"""Notification of a listener after each commit that created webhook deliveries.

Code that writes events only calls `announce`: the session notifies the listener after its commit.
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
    """A subject with pending deliveries."""

    subject_id: UUID
    subject_kind: str
    origin_instance: str
    origin_tenant_id: str | None
    is_replay: bool = False
    """True for a replay: a run that waits for its next attempt continues at once."""


Listener = Callable[[frozenset[Announcement]], None]
"""Called in the event loop. It must neither block nor raise."""


def announcing(sessions: Sessions, listener: Listener) -> Sessions:
    """Return sessions of the same pool that notify a listener after commits with deliveries."""
    bind: Any = sessions.kw["bind"]
    return async_sessionmaker(bind, expire_on_commit=False, info={_LISTENER: listener})


def announce(session: AsyncSession, announcement: Announcement) -> None:
    """Notify the session's listener, if it has one, after this transaction is committed."""
    session.info.setdefault(_SUBJECTS, set[Announcement]()).add(announcement)


@event.listens_for(Session, "after_commit")
def _notify(session: Session) -> None:  # pyright: ignore[reportUnusedFunction] -- SQLAlchemy calls it
    if session.in_nested_transaction():
        return
    subjects: set[Announcement] | None = session.info.pop(_SUBJECTS, None)
    listener: Listener | None = session.info.get(_LISTENER)
    if subjects and listener is not None:
        listener(frozenset(subjects))
