"""Descriptions of what pending work waits for, for the field `waiting_for`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from api_gateway.fault_list import named
from api_gateway.resources import Resources
from shared.contracts.enums import StepStatus, TaskQueue, WorkflowStatus

_NEW_FOR = timedelta(seconds=3)
"""Age below which pending work counts as being on its way to a worker."""
_QUEUES = frozenset(TaskQueue)
_HELD = {
    WorkflowStatus.PENDING: "the start of its workflow",
    WorkflowStatus.PAUSED: "the resume of its workflow, which is paused",
    WorkflowStatus.FAILED: "the resume of its workflow, which has failed",
}
_NOT_COMPLETED = frozenset({StepStatus.FAILED, StepStatus.CANCELLED})


def is_overdue(since: datetime) -> bool:
    """Return whether work that is ready since then should have reached a worker by now."""
    return datetime.now(UTC) - since > _NEW_FOR


async def waits_for_workers(res: Resources, queues: Iterable[str]) -> dict[str, str]:
    """Return what work waits for by task queue, for each queue that no worker polls.

    Args:
        res: the gateway's connections.
        queues: names of task queues; unknown names are skipped.
    """
    known = [TaskQueue(name) for name in queues if name in _QUEUES]
    return {
        # A worker that trains, for hours, does not poll.
        queue: f"a {'free ' if queue == TaskQueue.TRAINING else ''}worker: none polls the task"
        f" queue `{queue}`"
        for queue in await res.queues.unpolled(known)
    }


def before_a_step(workflow: WorkflowStatus, unfinished: Mapping[str, StepStatus]) -> str | None:
    """Return what a step waits for within its workflow; none if it may begin.

    Args:
        workflow: the workflow's status.
        unfinished: the status of each dependency that is not completed, by step ID.
    """
    lost = [name for name, status in unfinished.items() if status in _NOT_COMPLETED]
    if lost:
        return f"the resume of its workflow, since {_steps(lost)} did not complete"
    return _HELD.get(workflow) or (_steps(list(unfinished)) if unfinished else None)


def _steps(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return f"step{'s' if len(names) > 1 else ''} {named(quoted)}"
