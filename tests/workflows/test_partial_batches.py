"""A batch with inputs at fault: the task fails with their names, and keeps what was done."""

from temporalio import activity
from temporalio.worker import Worker

from shared.contracts.attempts import StoredFile
from shared.contracts.background_removal import (
    BackgroundRemovalActivities,
    RembgModel,
    RemoveBackgrounds,
    RemoveBackgroundsResult,
)
from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue, TaskStatus, TaskType
from shared.contracts.runs import ProviderVerdict, TaskRun
from tests.fakes.inference import STARTED_AT
from tests.fixtures.workflow_runs import Runs, generation
from tests.workflows.test_run_task import failure_of

_FAULT = "input_image_paths[1] (uploads/b.png): the picture cannot be read"


class _Remover(BackgroundRemovalActivities):
    """Remembers what it was asked, and cannot read what is called b."""

    def __init__(self) -> None:
        self.requests: list[RemoveBackgrounds] = []

    @activity.defn(name="remove_backgrounds")
    async def remove_backgrounds(self, request: RemoveBackgrounds) -> RemoveBackgroundsResult:
        self.requests.append(request)
        read = [key for key in request.inputs.input_image_paths if not key.endswith("b.png")]
        return RemoveBackgroundsResult(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            files=[
                StoredFile(key=key, size_bytes=1, content_type="image/png", sha256="0" * 64)
                for key in read
            ],
            faults=[_FAULT] if len(read) < len(request.inputs.input_image_paths) else [],
            result_image_paths=read,
            rembg_model_used=RembgModel.SILUETA,
        )


def _removal(*keys: str) -> TaskRun:
    return generation(
        task_type=TaskType.BACKGROUND_REMOVE,
        task_queue=TaskQueue.INFERENCE_CPU,
        provider_config={"provider_type": "local", "rembg_model": "silueta"},
        inputs={"input_image_paths": list(keys)},
    )


def _worker(runs: Runs, remover: _Remover) -> Worker:
    return Worker(
        runs.client,
        task_queue=TaskQueue.INFERENCE_CPU,
        activities=[remover.remove_backgrounds],
    )


async def test_whole_batch_completes_with_the_model_it_asked_for(working: Runs) -> None:
    remover = _Remover()
    async with _worker(working, remover):
        outcome = await (await working.start_task(_removal("uploads/a.png"))).result()

    [request] = remover.requests
    assert request.remover.rembg_model is RembgModel.SILUETA
    assert outcome.status == TaskStatus.COMPLETED
    assert outcome.results == {
        "result_image_paths": ["uploads/a.png"],
        "rembg_model_used": "silueta",
    }


async def test_faults_fail_the_task_once_and_keep_what_was_done(working: Runs) -> None:
    remover = _Remover()
    run = _removal("uploads/a.png", "uploads/b.png", "uploads/c.png")
    async with _worker(working, remover):
        failure = await failure_of(await working.start_task(run))

    assert failure.type == ErrorCategory.VALIDATION
    assert len(remover.requests) == 1
    outcome = working.outcome(run.task_id)
    assert (outcome.status, outcome.error_category) == (TaskStatus.FAILED, ErrorCategory.VALIDATION)
    assert outcome.errors == [f"attempt 1: {_FAULT}"]
    assert outcome.results["result_image_paths"] == ["uploads/a.png", "uploads/c.png"]
    assert [file.key for file in outcome.files] == ["uploads/a.png", "uploads/c.png"]
    assert outcome.verdict == ProviderVerdict(provider_type=ProviderType.LOCAL, is_success=None)
