"""Fetching of remote pictures into objects, and presigned links to objects."""

from collections.abc import Sequence

from temporalio import workflow

from shared.contracts.enums import TaskQueue
from shared.contracts.inputs import FetchedInputs, FetchInputs, InputActivities, LinkObjects
from shared.contracts.pictures import remote_pictures
from shared.contracts.runs import TaskRun
from workflows.policies import (
    FETCH_TIMEOUT,
    HEARTBEAT_TIMEOUT,
    ONE_ATTEMPT,
    RECORD_RETRY,
    RECORD_TIMEOUT,
)


async def fetch_remote_pictures(run: TaskRun, label: str) -> FetchedInputs | None:
    """Fetch the pictures that a task names by URL, once; return none if it names none.

    Args:
        run: the task.
        label: name of the task in the Temporal UI.

    Raises:
        ActivityError: a picture could not be fetched, or is not an image.
    """
    names = remote_pictures(run.task_type, run.inputs)
    if not names:
        return None
    return await workflow.execute_activity_method(
        InputActivities.fetch_inputs,
        FetchInputs(
            task_id=run.task_id,
            task_type=run.task_type,
            urls=list(names),
            names=names,
        ),
        task_queue=TaskQueue.FETCH,
        start_to_close_timeout=FETCH_TIMEOUT,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=ONE_ATTEMPT,
        priority=workflow.info().priority,
        summary=f"{label}: {len(names)} remote picture" + ("s" if len(names) > 1 else ""),
    )


async def link_objects(keys: Sequence[str]) -> dict[str, str]:
    """Return presigned URLs of objects, by key."""
    if not keys:
        return {}
    return await workflow.execute_local_activity_method(
        InputActivities.link_objects,
        LinkObjects(keys=list(keys)),
        start_to_close_timeout=RECORD_TIMEOUT,
        retry_policy=RECORD_RETRY,
        summary=f"{len(keys)} links",
    )
