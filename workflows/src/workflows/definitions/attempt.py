"""One attempt at a task: the activity of its type, on the queue of its provider."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow

from shared.contracts.attempts import AttemptResult
from shared.contracts.enums import TaskType
from shared.contracts.generation import GenerateImage
from shared.contracts.inference import InferenceActivities
from shared.contracts.message import Message
from shared.contracts.refinement import RefineImage
from shared.contracts.runs import TaskRun
from workflows.policies import HEARTBEAT_TIMEOUT, ONE_ATTEMPT, START_TO_CLOSE


def _generate_image(run: TaskRun, attempt: int) -> GenerateImage:
    return GenerateImage.model_validate(
        {"task_id": run.task_id, "attempt": attempt, "inputs": run.inputs}
    )


def _refine_image(run: TaskRun, attempt: int) -> RefineImage:
    return RefineImage.model_validate(
        {
            "task_id": run.task_id,
            "attempt": attempt,
            "inputs": run.inputs,
            "refiner": run.provider_config,
        }
    )


_ACTIVITIES: dict[TaskType, tuple[Callable[..., Any], Callable[[TaskRun, int], Message]]] = {
    TaskType.GENERATION: (InferenceActivities.generate_image, _generate_image),
    TaskType.REFINE: (InferenceActivities.refine_image, _refine_image),
}
"""The activity of each task type, and how a run becomes its message."""


async def run_attempt(run: TaskRun, attempt: int, summary: str) -> AttemptResult:
    """Run one attempt to its end.

    Args:
        run: the task, complete.
        attempt: 1 for the first.
        summary: what the Web UI shows beside the activity.

    Raises:
        ActivityError: the attempt failed, or was cancelled.
        ValidationError: the task's inputs do not make a message of its type.
    """
    method, build = _ACTIVITIES[run.task_type]
    return await workflow.execute_activity_method(
        method,
        build(run, attempt),
        task_queue=run.task_queue,
        start_to_close_timeout=START_TO_CLOSE[run.task_type],
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=ONE_ATTEMPT,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=summary,
    )
