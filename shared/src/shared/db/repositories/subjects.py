"""Reading workflows and objects within a caller's scope."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from shared.contracts.enums import WorkflowStatus
from shared.db.models.tables import StoredObject, Workflow
from shared.db.repositories.scope import Scope


async def find_workflow(
    session: AsyncSession, scope: Scope, workflow_id: UUID, *, lock: bool = False
) -> Workflow | None:
    """One workflow with its steps, cleaned up or not; `lock`: as for a task."""
    rows = select(Workflow).where(Workflow.id == workflow_id).options(selectinload(Workflow.steps))
    rows = scope.limit(rows, Workflow)
    return await session.scalar(rows.with_for_update() if lock else rows)


@dataclass(frozen=True)
class WorkflowFilters:
    """Which workflows a list shows."""

    status: WorkflowStatus | None = None
    origin_instance: str | None = None
    origin_tenant_id: str | None = None
    include_deleted: bool = False


async def list_workflows(
    session: AsyncSession, scope: Scope, filters: WorkflowFilters, *, skip: int, limit: int
) -> tuple[list[Workflow], int]:
    """One page of workflows, newest first, and how many there are in all."""
    asked = Scope(filters.origin_instance, filters.origin_tenant_id)
    rows = asked.limit(scope.limit(select(Workflow), Workflow), Workflow)
    if filters.status is not None:
        rows = rows.where(Workflow.status == filters.status)
    if not filters.include_deleted:
        rows = rows.where(Workflow.is_deleted.is_(False))
    total = await session.scalar(select(func.count()).select_from(rows.subquery()))
    page = await session.scalars(
        rows.options(selectinload(Workflow.steps))
        .order_by(Workflow.created_at.desc(), Workflow.id.desc())
        .offset(skip)
        .limit(limit)
    )
    return list(page), total or 0


async def find_object(session: AsyncSession, scope: Scope, key: str) -> StoredObject | None:
    """Who owns an object, if the caller may see it."""
    return await session.scalar(
        scope.limit(select(StoredObject).where(StoredObject.key == key), StoredObject)
    )
