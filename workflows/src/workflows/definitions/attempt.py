"""One attempt at a task: the activity of its type, on the queue of its provider."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.common import Priority

from shared.contracts.adjusting import AdjustImage, AdjustingActivities
from shared.contracts.attempts import AttemptResult
from shared.contracts.background_removal import BackgroundRemovalActivities, RemoveBackgrounds
from shared.contracts.backgrounds import BackgroundActivities, FixBackground
from shared.contracts.editing import EditImage
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.fixing import EnhanceDetails, EnhanceFaces, FixerActivities
from shared.contracts.generation import GenerateImage
from shared.contracts.inference import InferenceActivities
from shared.contracts.message import Message
from shared.contracts.picture_objects import with_object_keys
from shared.contracts.providers import PROVIDERS
from shared.contracts.refinement import RefineImage
from shared.contracts.runs import TaskRun
from workflows.definitions.account import Account
from workflows.definitions.remote import run_remote_attempt
from workflows.policies import HEARTBEAT_TIMEOUT, ONE_ATTEMPT, START_TO_CLOSE, priority_key


def _base(run: TaskRun, attempt: int) -> dict[str, Any]:
    return {
        "task_id": run.task_id,
        "attempt": attempt,
        "provider_type": run.provider_type,
        "provider_config": run.provider_config,
        "inputs": with_object_keys(run.task_type, run.inputs),
    }


def _generate_image(run: TaskRun, attempt: int) -> GenerateImage:
    return GenerateImage.model_validate(_base(run, attempt))


def _edit_image(run: TaskRun, attempt: int) -> EditImage:
    return EditImage.model_validate(_base(run, attempt))


def _refine_image(run: TaskRun, attempt: int) -> RefineImage:
    is_tiled = run.provider_type == ProviderType.SARTIQ_ULTIMATE_REFINER
    refiner = {"refiner": run.provider_config} if is_tiled else {}
    return RefineImage.model_validate(_base(run, attempt) | refiner)


def _enhance_details(run: TaskRun, attempt: int) -> EnhanceDetails:
    return EnhanceDetails.model_validate(_base(run, attempt) | {"fixer": run.provider_config})


def _enhance_faces(run: TaskRun, attempt: int) -> EnhanceFaces:
    return EnhanceFaces.model_validate(_base(run, attempt) | {"fixer": run.provider_config})


def _adjust_image(run: TaskRun, attempt: int) -> AdjustImage:
    return AdjustImage.model_validate(_base(run, attempt))


def _fix_background(run: TaskRun, attempt: int) -> FixBackground:
    return FixBackground.model_validate(_base(run, attempt))


def _remove_backgrounds(run: TaskRun, attempt: int) -> RemoveBackgrounds:
    return RemoveBackgrounds.model_validate(_base(run, attempt) | {"remover": run.provider_config})


_ACTIVITIES: dict[TaskType, tuple[Callable[..., Any], Callable[[TaskRun, int], Message]]] = {
    TaskType.GENERATION: (InferenceActivities.generate_image, _generate_image),
    TaskType.REFINE: (InferenceActivities.refine_image, _refine_image),
    TaskType.EDITING: (InferenceActivities.edit_image, _edit_image),
    TaskType.BACKGROUND_REMOVE: (
        BackgroundRemovalActivities.remove_backgrounds,
        _remove_backgrounds,
    ),
    TaskType.DETAIL_ENHANCER: (FixerActivities.enhance_details, _enhance_details),
    TaskType.BACKGROUND_FIX: (BackgroundActivities.fix_background, _fix_background),
    TaskType.IMAGE_ADJUSTER: (AdjustingActivities.adjust_image, _adjust_image),
    TaskType.FACE_ENHANCER: (FixerActivities.enhance_faces, _enhance_faces),
}
"""The activity of each task type that our own workers do, and how a run becomes its message."""


async def run_attempt(run: TaskRun, account: Account, summary: str) -> AttemptResult:
    """Run one attempt to its end.

    Args:
        run: the task, complete.
        account: which attempt it is; takes down what a remote one is at.
        summary: what the Web UI shows beside the activity.

    Raises:
        ActivityError: the attempt failed, or was cancelled.
        RemoteFailureError: the same, once an outside provider had the work.
        ValidationError: the task's inputs do not make a message of its type.
    """
    priority = Priority() if run.priority is None else Priority(priority_key(run.priority))
    if PROVIDERS[run.provider_type].is_remote:
        return await run_remote_attempt(run, account, summary, priority)
    method, build = _ACTIVITIES[run.task_type]
    return await workflow.execute_activity_method(
        method,
        build(run, account.attempt),
        task_queue=run.task_queue,
        start_to_close_timeout=START_TO_CLOSE[run.task_type],
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=ONE_ATTEMPT,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        priority=priority,
        summary=summary,
    )
