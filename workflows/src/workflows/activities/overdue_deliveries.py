"""Starts deliveries that nobody has started: their writer died after its commit."""

from datetime import datetime
from uuid import UUID

from temporalio.client import Client

from shared.db.announcements import Announcement
from shared.db.repositories.deliveries import overdue_subjects
from shared.db.session import Sessions
from workflows.deliveries import ensure_delivery

_PAGE = 500


async def start_overdue(client: Client, sessions: Sessions, before: datetime) -> int:
    """Start the delivery of each subject that has an event due before a moment, unless it is open.

    Returns:
        How many there were.
    """
    last: UUID | None = None
    found = 0
    while True:
        async with sessions() as session:
            page = await overdue_subjects(session, before, last, limit=_PAGE)
        for row in page:
            await ensure_delivery(
                client,
                Announcement(
                    row.subject_id, row.subject_kind, row.origin_instance, row.origin_tenant_id
                ),
            )
        found += len(page)
        if len(page) < _PAGE:
            return found
        last = page[-1].subject_id
