"""Starts deliveries that nobody has woken: their writer died after its commit."""

from datetime import datetime
from uuid import UUID

from temporalio.client import Client

from shared.db.announcements import Announcement
from shared.db.repositories.deliveries import overdue_subjects
from shared.db.session import Sessions
from workflows.deliveries import wake_delivery

_PAGE = 500


async def start_overdue(client: Client, sessions: Sessions, before: datetime) -> int:
    """Start or hurry the delivery of each subject that has an event due before a moment.

    Returns:
        How many there were.
    """
    last: UUID | None = None
    found = 0
    while True:
        async with sessions() as session:
            page = await overdue_subjects(session, before, last, limit=_PAGE)
        for row in page:
            # As for a replay: one whose signal was lost must not wait for a later event's timer.
            await wake_delivery(
                client,
                Announcement(
                    row.subject_id,
                    row.subject_kind,
                    row.origin_instance,
                    row.origin_tenant_id,
                    is_replay=True,
                ),
            )
        found += len(page)
        if len(page) < _PAGE:
            return found
        last = page[-1].subject_id
