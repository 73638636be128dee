"""How much of a tenant's work has not ended. Counts are bounded, and stay within an index each.

A workflow that has ended may leave tasks behind that never will: they wait for a resume, and do not
count. That is why tasks of their own and tasks of open workflows are counted apart.
"""

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

# Literals, not parameters: a prepared statement's general plan proves the indexes' conditions.
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
    """Let one transaction at a time decide about a tenant's queue; held until it ends."""
    lock = func.pg_advisory_xact_lock(func.hashtextextended(f"queue:{tenant}", 0))
    await session.execute(select(lock))


async def count_queued(session: AsyncSession, tenant: str, *, at_most: int) -> int:
    """How many tasks and trainings of a tenant have not ended; counting stops at `at_most`."""
    return await session.scalar(_COUNT, {"tenant": tenant, "at_most": at_most}) or 0
