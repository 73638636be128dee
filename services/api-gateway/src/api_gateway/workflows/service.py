"""Creating, reading and renaming workflows."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.creation.create import Creation, create
from api_gateway.creation.run_size import check_run_size
from api_gateway.errors import not_found
from api_gateway.resources import Resources
from api_gateway.tasks.service import add_tasks
from api_gateway.webhooks.checks import check_webhook
from api_gateway.workflows.drafting import WorkflowDraft, draft_workflow
from api_gateway.workflows.presentation import present_workflow
from api_gateway.workflows.schemas import CreateWorkflow, WorkflowPublic, WorkflowUpdate
from api_gateway.workflows.waiting import fill_waiting
from shared.contracts.enums import EventType
from shared.db.models.tables import Workflow
from shared.db.repositories.deliveries import redirect_steps
from shared.db.repositories.events import add_task_event, add_workflow_event
from shared.db.repositories.idempotency import CreateRequest
from shared.db.repositories.subjects import WorkflowFilters, find_workflow, list_workflows
from workflows.starts import pipeline_run, start_pipeline


async def create_workflow(
    res: Resources,
    caller: Principal,
    body: CreateWorkflow,
    request: CreateRequest | None,
    *,
    start: bool,
    warnings: Sequence[str] = (),
) -> WorkflowPublic:
    """Write a workflow and, if asked for, start its run.

    Args:
        res: the gateway's connections.
        caller: the owner of the workflow.
        body: the validated request.
        request: the idempotency key of the request, if it has one.
        start: whether it is started at once.
        warnings: ignored fields of the request, for the record.

    Raises:
        InvalidRequestError: names every step and field that is wrong.
    """
    check_webhook(res, body.webhook_url)
    draft = await draft_workflow(res, caller, body, start=start)
    draft.workflow.warnings = [*warnings, *(draft.workflow.warnings or [])] or None
    check_run_size(pipeline_run(draft.workflow, draft.tasks))
    creation = Creation(
        draft.workflow,
        draft.uploads,
        partial(_write, caller=caller, draft=draft),
        partial(start_pipeline, workflow=draft.workflow, tasks=draft.tasks) if start else None,
    )
    return await create(res, request, creation)


async def _write(
    session: AsyncSession, *, caller: Principal, draft: WorkflowDraft
) -> WorkflowPublic:
    session.add(draft.workflow)
    await session.flush()
    await add_tasks(session, caller, list(draft.tasks.values()), draft.uploads)
    for task in draft.tasks.values():
        add_task_event(session, task, EventType.TASK_CREATED)
    add_workflow_event(session, draft.workflow)
    await session.flush()
    return present_workflow(draft.workflow)


async def get_workflow(res: Resources, caller: Principal, workflow_id: UUID) -> Workflow:
    """Return a workflow that the caller may see.

    Raises:
        Problem: 404.
    """
    async with res.sessions() as session:
        workflow = await find_workflow(session, caller.scope, workflow_id)
    if workflow is None:
        raise not_found(f"workflow {workflow_id}")
    return workflow


async def read_workflow(res: Resources, caller: Principal, workflow_id: UUID) -> WorkflowPublic:
    """Return a workflow in its public schema, with what its steps wait for.

    Raises:
        Problem: 404.
    """
    shown = present_workflow(await get_workflow(res, caller, workflow_id))
    await fill_waiting(res, [shown])
    return shown


async def page_of_workflows(
    res: Resources, caller: Principal, filters: WorkflowFilters, *, skip: int, limit: int
) -> tuple[list[WorkflowPublic], int]:
    """Return one page of the caller's workflows, newest first, and their total number."""
    async with res.sessions() as session:
        page, total = await list_workflows(session, caller.scope, filters, skip=skip, limit=limit)
    shown = [present_workflow(workflow) for workflow in page]
    await fill_waiting(res, shown)
    return shown, total


async def rename_workflow(
    res: Resources, caller: Principal, workflow_id: UUID, body: WorkflowUpdate
) -> Workflow:
    """Change the name, description or webhook of a workflow.

    Raises:
        Problem: 404.
    """
    check_webhook(res, body.webhook_url)
    sent = body.model_dump(exclude_unset=True)
    async with res.sessions.begin() as session:
        if "webhook_url" in sent:
            # Lock order everywhere: tasks before their workflow.
            await redirect_steps(session, caller.scope, workflow_id, sent["webhook_url"] or None)
        workflow = await find_workflow(session, caller.scope, workflow_id, lock=True)
        if workflow is None:
            raise not_found(f"workflow {workflow_id}")
        if sent.get("name") is not None:
            workflow.name = sent["name"]
        if "description" in sent:
            workflow.description = sent["description"]
        if "webhook_url" in sent:
            workflow.webhook_url = sent["webhook_url"] or None
        await session.flush()
    return workflow
