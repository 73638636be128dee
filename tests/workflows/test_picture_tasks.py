"""IMAGE_ADJUSTER and BACKGROUND_FIX from a run to its activity, with every field."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.contracts.adjusting import AdjustImage, AdjustInputs
from shared.contracts.backgrounds import BackgroundFixInputs, FixBackground
from shared.contracts.enums import ErrorCategory, TaskQueue, TaskStatus, TaskType
from shared.contracts.runs import TaskRun
from tests.fakes.pictures import FakePictures
from tests.fixtures.workflow_runs import Runs, activity_worker, generation
from tests.workflows.test_run_task import failure_of

ADJUSTMENT: dict[str, Any] = {
    "input_image": "uploads/a.png",
    "reference_image": "uploads/b.png",
    "mode": "scale",
    "target_width": 160,
    "target_height": 200,
    "cropping_position": "top",
    "resampling": "bicubic",
    "scaling_proportions": "height",
    "margin_top": 0.1,
    "margin_bottom": 0.2,
    "margin_left": 0.3,
    "margin_right": 0.4,
    "tolerance": 0.01,
}
FIX: dict[str, Any] = {
    "base_image": "uploads/a.png",
    "palette_image": "uploads/b.png",
    "strategy": "replace",
    "edge_blur_sigma": 3.5,
    "shadow_threshold": 10,
    "light_threshold": 20,
    "mask_expansion_percentage": 0.02,
}


def run_of(task_type: TaskType, inputs: dict[str, Any]) -> TaskRun:
    return generation(task_type=task_type, task_queue=TaskQueue.INFERENCE_CPU, inputs=inputs)


@pytest.fixture
async def pictures(working: Runs) -> AsyncIterator[FakePictures]:
    fake = FakePictures()
    queue = TaskQueue.INFERENCE_CPU
    async with activity_worker(working.client, queue, fake.adjust_image, fake.fix_background):
        yield fake


async def test_an_adjustment_carries_every_field(working: Runs, pictures: FakePictures) -> None:
    run = run_of(TaskType.IMAGE_ADJUSTER, ADJUSTMENT)
    outcome = await (await working.start_task(run)).result()
    [attempt] = pictures.attempts
    assert isinstance(attempt, AdjustImage)
    assert attempt.inputs == AdjustInputs(**ADJUSTMENT)
    sent = attempt.inputs.model_dump(exclude_defaults=True)
    assert sent == ADJUSTMENT
    assert outcome.status == TaskStatus.COMPLETED
    assert outcome.results["result_image_path"] == f"fake/{run.task_id}/a1.png"


async def test_a_background_fix_carries_every_field(working: Runs, pictures: FakePictures) -> None:
    run = run_of(TaskType.BACKGROUND_FIX, FIX)
    outcome = await (await working.start_task(run)).result()
    [attempt] = pictures.attempts
    assert isinstance(attempt, FixBackground)
    assert attempt.inputs == BackgroundFixInputs(**FIX)
    assert attempt.inputs.model_dump(mode="json", exclude_defaults=True) == FIX
    assert outcome.status == TaskStatus.COMPLETED
    assert outcome.results["result_image_path"] == f"fake/{run.task_id}/a1.png"


@pytest.mark.parametrize(
    ("task_type", "inputs", "named"),
    [
        (TaskType.IMAGE_ADJUSTER, {"margin_top": 1.5}, "margin_top"),
        (TaskType.IMAGE_ADJUSTER, {"input_image": None}, "input_image"),
        (TaskType.IMAGE_ADJUSTER, {"mode": "stretch"}, "mode"),
        (TaskType.BACKGROUND_FIX, {"light_threshold": 256}, "light_threshold"),
        (TaskType.BACKGROUND_FIX, {"palette_image": None}, "palette_image"),
    ],
)
async def test_invalid_mapped_input_reaches_no_worker(
    working: Runs, pictures: FakePictures, task_type: TaskType, inputs: dict[str, Any], named: str
) -> None:
    complete = ADJUSTMENT if task_type == TaskType.IMAGE_ADJUSTER else FIX
    run = run_of(task_type, complete | inputs)
    error = await failure_of(await working.start_task(run))
    assert error.type == ErrorCategory.VALIDATION
    assert f"inputs.{named}" in working.outcome(run.task_id).errors[0]
    assert not pictures.attempts
