"""Remote pictures of a task become objects before its first attempt."""

from temporalio import workflow

from shared.contracts.enums import TaskQueue
from shared.contracts.inputs import FetchedInputs, FetchInputs, InputActivities
from shared.contracts.pictures import remote_pictures
from shared.contracts.runs import TaskRun
from workflows.policies import FETCH_RETRY, FETCH_TIMEOUT, HEARTBEAT_TIMEOUT


async def fetch_remote_pictures(run: TaskRun) -> FetchedInputs | None:
    """Fetch what a task names by URL; none where it names nothing so.

    Raises:
        ActivityError: a picture cannot be had, or is none.
    """
    urls = remote_pictures(run.task_type, run.inputs)
    if not urls:
        return None
    return await workflow.execute_activity_method(
        InputActivities.fetch_inputs,
        FetchInputs(task_id=run.task_id, task_type=run.task_type, urls=urls),
        task_queue=TaskQueue.WORKFLOWS,
        start_to_close_timeout=FETCH_TIMEOUT,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=FETCH_RETRY,
        summary=f"{len(urls)} remote picture" + ("s" if len(urls) > 1 else ""),
    )
