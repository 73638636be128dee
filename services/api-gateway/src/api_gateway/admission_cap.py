"""The cap on what one tenant may have waiting, so that no tenant fills the queues alone."""

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.ownership import Origin
from api_gateway.errors import Problem
from api_gateway.resources import Resources
from shared.db.models.base import Origin as OriginColumns
from shared.db.repositories.queued_work import count_queued, lock_tenant
from shared.temporal.fairness import tenant_name

_RETRY_AFTER_S = 10


async def check_cap(session: AsyncSession, res: Resources, work: Origin | OriginColumns) -> None:
    """Refuse new work of a tenant that has its fill, within the transaction that would write it.

    To be called after `claim`, so that a repeat gets its first answer, and before the first write.
    Creates of one tenant queue up here until the commit: together they cannot pass the cap.

    Raises:
        Problem: 429.
    """
    cap = res.settings.max_queued_per_tenant
    if cap is None:
        return
    tenant = tenant_name(work.origin_instance, work.origin_tenant_id)
    await lock_tenant(session, tenant)
    if await count_queued(session, tenant, at_most=cap) >= cap:
        raise Problem(
            429,
            "too_much_queued",
            f"{tenant!r} has {cap} tasks and trainings that have not ended, the most there may be; "
            "try again once some have",
            headers={"Retry-After": str(_RETRY_AFTER_S)},
        )
