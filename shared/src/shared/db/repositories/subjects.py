"""Workflows and stored objects within a client's scope."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from shared.contracts.enums import WorkflowStatus
from shared.db.models.tables import StoredObject, Workflow
from shared.db.repositories.scope import Scope
from shared.db.repositories.totals import WORKFLOWS, Filters, total
from shared.db.session import plan_for_values


async def find_workflow(
    session: AsyncSession, scope: Scope, workflow_id: UUID, *, lock: bool = False
) -> Workflow | None:
    """Return a workflow with its steps, deleted or not; `lock` takes its row lock."""
    rows = select(Workflow).where(Workflow.id == workflow_id).options(selectinload(Workflow.steps))
    rows = scope.limit(rows, Workflow)
    return await session.scalar(rows.with_for_update() if lock else rows)


@dataclass(frozen=True)
class WorkflowFilters:
    """Filters of a list of workflows."""

    status: WorkflowStatus | None = None
    origin_instance: str | None = None
    origin_tenant_id: str | None = None
    include_deleted: bool = False


async def list_workflows(
    session: AsyncSession, scope: Scope, filters: WorkflowFilters, *, skip: int, limit: int
) -> tuple[list[Workflow], int]:
    """Return one page of workflows, newest first, and their total number."""
    wanted = Filters(
        status=filters.status,
        origin_instance=filters.origin_instance,
        origin_tenant_id=filters.origin_tenant_id,
        is_deleted=None if filters.include_deleted else False,
    )
    await plan_for_values(session)
    amount = await total(session, WORKFLOWS, scope, wanted)
    page = await session.scalars(
        select(Workflow)
        .where(*wanted.on_rows(WORKFLOWS.rows, scope))
        .options(selectinload(Workflow.steps))
        .order_by(Workflow.created_at.desc(), Workflow.id.desc())
        .offset(skip)
        .limit(limit)
    )
    return list(page), amount


async def find_object(session: AsyncSession, scope: Scope, key: str) -> StoredObject | None:
    """Return the owner row of an object; none if the client may not see it."""
    return await session.scalar(
        scope.limit(select(StoredObject).where(StoredObject.key == key), StoredObject)
    )


async def find_objects(
    session: AsyncSession, scope: Scope, keys: Collection[str]
) -> dict[str, StoredObject]:
    """Return the owner rows of the objects that the client may see, by path."""
    if not keys:
        return {}
    rows = select(StoredObject).where(StoredObject.key.in_(keys))
    return {row.key: row for row in await session.scalars(scope.limit(rows, StoredObject))}
