"""Start of overdue deliveries whose wake-up was lost, because the writer died after its commit."""

from datetime import datetime
from uuid import UUID

from temporalio.client import Client

from shared.db.announcements import Announcement
from shared.db.repositories.deliveries import overdue_subjects
from shared.db.session import Sessions
from workflows.deliveries import wake_delivery

_PAGE = 500


async def start_overdue(client: Client, sessions: Sessions, before: datetime) -> int:
    """Start or wake the delivery of each subject with an event due before a time.

    Returns:
        The number of such subjects.
    """
    last: UUID | None = None
    found = 0
    while True:
        async with sessions() as session:
            page = await overdue_subjects(session, before, last, limit=_PAGE)
        for row in page:
            # Like a redelivery: it must not wait for the timer of a later event.
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
