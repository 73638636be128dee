"""Effect of a resume on the steps: completed ones stay, those tried without success get new tasks.

A dry run uses the same rule: `is_reused`.
"""

import uuid
from collections.abc import Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.principal import Principal
from api_gateway.request_fields import JsonObject
from api_gateway.workflows.resume_schemas import (
    ResumePlan,
    ResumeReason,
    ReusedStep,
    StepToRun,
)
from shared.contracts.enums import (
    EventType,
    ProviderType,
    StepStatus,
    TaskQueue,
    TaskStatus,
    TaskType,
)
from shared.contracts.providers import task_queue
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task, Workflow, WorkflowStep
from shared.db.repositories.events import add_task_event
from shared.db.repositories.object_use import pin_pictures
from shared.db.repositories.tasks import is_untried, tasks_of_steps

_COPIED = (
    "task_type",
    "priority",
    "max_retries",
    "config",
    "inputs",
    "temporal_id",
    "webhook_url",
    "workflow_id",
    "step_id",
    "origin_instance",
    "origin_zone",
    "origin_tenant_id",
    "origin_reference",
    "warnings",
)

_CHOSEN = (
    "provider_config",
    "active_provider_capabilities",
    "fallback_provider_type",
    "fallback_provider_config",
    "fallback_provider_capabilities",
)
"""Copied from the step: its task's own were replaced if the fallback ran."""


Override = Callable[[WorkflowStep, Task], bool]
"""Applies an override to a step and its task; returns whether there was one."""

_REASONS = {
    StepStatus.FAILED: ResumeReason.FAILED,
    StepStatus.CANCELLED: ResumeReason.CANCELLED,
    StepStatus.RUNNING: ResumeReason.INTERRUPTED,
}


def is_reused(step: WorkflowStep) -> bool:
    """Return whether a resume keeps a step's result."""
    return step.status == StepStatus.COMPLETED


def plan_resume(workflow: Workflow, configs: Mapping[str, JsonObject]) -> ResumePlan:
    """Return what a resume would do with each step, in topological order.

    Args:
        workflow: the workflow in its current state.
        configs: the merged configs of overridden steps, by step.
    """
    return ResumePlan(
        workflow_id=workflow.id,
        reused=[
            ReusedStep.model_validate(step, from_attributes=True)
            for step in workflow.steps
            if is_reused(step)
        ],
        run=[
            StepToRun(
                step_id=step.step_id,
                reason=_REASONS.get(StepStatus(step.status), ResumeReason.NOT_RUN_YET),
                config=configs.get(step.step_id),
            )
            for step in workflow.steps
            if not is_reused(step)
        ],
    )


async def reset_steps(
    session: AsyncSession, caller: Principal, workflow: Workflow, override: Override
) -> dict[str, Task]:
    """Give every step that was tried without success a new task.

    Steps read the current objects at their images' paths. A step whose image is missing will fail
    with that error.

    Args:
        session: the transaction that resumes the workflow.
        caller: the owner of the images.
        workflow: the workflow, locked.
        override: called with each step that runs again and its task, before they are written.

    Returns:
        All tasks, by step.
    """
    tasks = await tasks_of_steps(session, workflow)
    for step in workflow.steps:
        task = tasks.get(step.step_id)
        if task is None or is_reused(step):
            continue
        if not is_untried(task):
            task = renewed(task, step)
            override(step, task)
            session.add(task)
            await session.flush()
            add_task_event(session, task, EventType.TASK_CREATED)
            tasks[step.step_id] = task
        elif override(step, task):
            add_task_event(session, task, EventType.TASK_STATUS_UPDATE, is_change=True)
        step.task_id, step.status, step.retry_count = task.id, StepStatus.PENDING, 0
        step.result = step.error_message = step.started_at = step.completed_at = None
    to_run = [tasks[s.step_id] for s in workflow.steps if s.step_id in tasks and not is_reused(s)]
    await pin_pictures(session, caller.scope, to_run)
    return tasks


def renewed(task: Task, step: WorkflowStep) -> Task:
    """Return a new task for a step, with the provider that the client chose first."""
    provider, queue = ProviderType(task.provider_type), TaskQueue(task.queue_name)
    if task.fallback_used:
        task_type = TaskType(step.task_type)
        named = (step.provider_config or {}).get("provider_type")
        provider = ProviderType(named) if named else TASK_TYPES[task_type].default_provider
        queue = task_queue(provider, task_type, task.config)
    return Task(
        id=uuid.uuid4(),
        status=TaskStatus.PENDING,
        progress=0,
        attempt=0,
        retry_count=0,
        errors=[],
        results={},
        last_seq=0,
        provider_type=provider,
        queue_name=queue,
        **{name: getattr(step, name) for name in _CHOSEN},
        **{name: getattr(task, name) for name in _COPIED},
    )
