"""Counts of a tenant's unfinished work, bounded and served by indexes only.

Steps of a workflow that has ended may be unfinished until a resume, and do not count. Therefore
stand-alone tasks and tasks of open workflows are counted separately.
"""

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

# Literals, not parameters: a generic plan can then use the partial indexes.
_COUNT = text(
    """
    SELECT count(*) FROM (
        SELECT 1 FROM tasks
        WHERE coalesce(origin_tenant_id, origin_instance) = :tenant
          AND workflow_id IS NULL AND status IN ('PENDING', 'EXECUTING')
        UNION ALL
        SELECT 1 FROM workflows JOIN tasks ON tasks.workflow_id = workflows.id
        WHERE coalesce(workflows.origin_tenant_id, workflows.origin_instance) = :tenant
          AND workflows.status IN ('PENDING', 'RUNNING', 'PAUSED')
          AND tasks.status IN ('PENDING', 'EXECUTING')
        UNION ALL
        SELECT 1 FROM trainings
        WHERE coalesce(origin_tenant_id, origin_instance) = :tenant
          AND status IN ('PENDING', 'PREPROCESSING', 'TRAINING')
        LIMIT :at_most
    ) AS queued
    """
)


async def lock_tenant(session: AsyncSession, tenant: str) -> None:
    """Take the lock on a tenant's queue until the transaction ends."""
    lock = func.pg_advisory_xact_lock(func.hashtextextended(f"queue:{tenant}", 0))
    await session.execute(select(lock))


async def count_queued(session: AsyncSession, tenant: str, *, at_most: int) -> int:
    """Return the number of a tenant's unfinished tasks and trainings, at most `at_most`."""
    return await session.scalar(_COUNT, {"tenant": tenant, "at_most": at_most}) or 0
