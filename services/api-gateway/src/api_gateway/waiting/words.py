"""What is waited for, in words. Pure."""

from collections.abc import Mapping, Sequence

from api_gateway.fault_list import named
from shared.contracts.enums import StepStatus, TaskQueue, WorkflowStatus

_HELD = {
    WorkflowStatus.PENDING: "the start of its workflow",
    WorkflowStatus.PAUSED: "the resume of its workflow, which is paused",
    WorkflowStatus.FAILED: "the resume of its workflow, which has failed",
}
_ENDED_BADLY = frozenset({StepStatus.FAILED, StepStatus.CANCELLED})


def worker_of(queue: TaskQueue) -> str:
    """Return that nobody polls a queue."""
    return f"a worker: none polls the task queue `{queue}`"


def before_a_step(workflow: WorkflowStatus, unfinished: Mapping[str, StepStatus]) -> str | None:
    """Return what a step waits for within its workflow; none where it may begin.

    Args:
        workflow: how the workflow stands.
        unfinished: the steps that it depends on and that are not completed.
    """
    lost = [name for name, status in unfinished.items() if status in _ENDED_BADLY]
    if lost:
        return f"the resume of its workflow, since {_steps(lost)} did not complete"
    return _HELD.get(workflow) or (_steps(list(unfinished)) if unfinished else None)


def _steps(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return f"step{'s' if len(names) > 1 else ''} {named(quoted)}"
