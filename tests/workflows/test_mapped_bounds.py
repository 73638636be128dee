"""A mapped value is checked against its input's type and bounds before anything is written."""

import asyncio
import json
from typing import Any

import pytest

from shared.contracts.enums import ErrorCategory, ProviderType, TaskStatus, TaskType, WorkflowStatus
from shared.contracts.local_limits import MAX_SIDE_PX
from shared.contracts.runs import Fallback, PipelineStep, StepMapping, TaskOutcome, TaskRun
from tests.fixtures.workflow_runs import Runs, editing, generation, pipeline, refinement, step
from tests.workflows.test_remote_attempts import fal
from tests.workflows.test_run_task import failure_of

PICTURE = "uploads/a.png"


def adjustment(**inputs: Any) -> TaskRun:
    return generation(task_type=TaskType.IMAGE_ADJUSTER, inputs={"input_image": PICTURE} | inputs)


def background(**inputs: Any) -> TaskRun:
    pictures = {"base_image": PICTURE, "palette_image": PICTURE}
    return generation(task_type=TaskType.BACKGROUND_FIX, inputs=pictures | inputs)


def after(run: TaskRun, **values: Any) -> tuple[PipelineStep, PipelineStep]:
    """Build a completed app step, and a step into which each value is mapped."""
    app = step("app", run=fal()).model_copy(update={"result": values})
    links = [StepMapping(from_step="app", from_field=name, to_field=name) for name in values]
    return app, step("next", "app", run=run, mappings=links)


FREEPIK = refinement(provider_type=ProviderType.FREEPIK_MAGNIFIC)
FASHN = editing(provider_type=ProviderType.FASHN_STANDARD)
FALLING_BACK = refinement(
    fallback=Fallback(provider_type=ProviderType.FREEPIK_MAGNIFIC, task_queue="provider-freepik")
)
SMALL = generation(inputs={"prompt": "a", "seed": 1, "height": 64, MAX_SIDE_PX: 64})
FILM = generation(
    task_type=TaskType.VIDEO_GENERATION,
    provider_type=ProviderType.FAL_STANDARD,
    inputs={"prompt": "a"},
)
REFUSED: list[tuple[TaskRun, dict[str, Any], str]] = [
    (
        generation(),
        {"width": 4},
        "the model generates sides of 16 px and more in steps of 16, not 4",
    ),
    (generation(), {"width": 72}, "in steps of 16, not 72"),
    (SMALL, {"width": 128}, "the model generates sides of 16 to 64 px in steps"),
    (generation(), {"width": 10**6}, "width: Input should be less than or equal to 16384"),
    (
        generation(),
        {"seed": "a lot"},
        'is "a lot" and cannot be mapped to seed: seed: Input should be a valid integer',
    ),
    (generation(), {"seed": -1}, "greater than or equal to 0"),
    (generation(), {"prompt": 7}, "prompt: Input should be a valid string"),
    (
        generation(),
        {"prompt": ""},
        'is "" and cannot be mapped to prompt: prompt: String should have at least 1 character',
    ),
    (
        generation(),
        {"width": True},
        "is true and cannot be mapped to width: width: must be a number, not true or false",
    ),
    (generation(), {"style_lora_weight": 50.0}, "must be from -10 to 10"),
    (refinement(), {"upscale_factor": 0.97}, "upscale_factor: Input should be greater than"),
    (
        refinement(),
        {"base_image_url": {"url": "x"}},
        'is {"url": "x"} and cannot be mapped to base_image_url: ',
    ),
    (editing(), {"reference_images": PICTURE}, "reference_images: Input should be a valid list"),
    (editing(), {"reference_images": [PICTURE, 1]}, "reference_images.1: "),
    (background(), {"strategy": "paint"}, "Input should be 'lab_shift' or 'replace'"),
    (background(light_threshold=100), {"shadow_threshold": 120}, ": shadow_threshold must be"),
    (
        background(),
        {"shadow_threshold": 9, "light_threshold": 8},
        "app.shadow_threshold is 9 and cannot be mapped to shadow_threshold, and "
        "app.light_threshold is 8 and cannot be mapped to light_threshold: shadow_threshold must",
    ),
    (adjustment(margin_top=0.5), {"margin_bottom": 0.5}, "must add up to less than 1"),
    (FREEPIK, {"upscale_factor": 3.0}, "freepik_magnific lacks the capability UPSCALE_FLOAT"),
    (FALLING_BACK, {"upscale_factor": 3.0}, "freepik_magnific lacks the capability"),
    (FILM, {"duration_seconds": 20}, ": must be one of 3, 4, 5"),
    (
        FASHN,
        {"reference_images": ["a.png", "b.png"]},
        "fashn_standard lacks the capability MULTI_REFERENCE",
    ),
    (refinement(), {"face_detail_enabled": True}, "lacks the capability FACE_DETAIL"),
]


async def test_value_that_does_not_fit_fails_its_step_and_is_not_written(working: Runs) -> None:
    async def end_of(run: TaskRun, values: dict[str, Any]) -> TaskOutcome:
        steps = after(run.model_copy(update={"task_id": generation().task_id}), **values)
        await failure_of(await working.start_pipeline(pipeline(*steps)))
        return working.outcome(steps[1].run.task_id)

    async with asyncio.timeout(60):
        ends = await asyncio.gather(*(end_of(run, values) for run, values, _ in REFUSED))
    for (_, values, words), outcome in zip(REFUSED, ends, strict=True):
        assert outcome.status == TaskStatus.FAILED, values
        assert (outcome.error_category, outcome.attempt) == (ErrorCategory.VALIDATION, 0), values
        name = next(iter(values))
        [error] = outcome.errors
        assert error.startswith(f"app.{name} is {json.dumps(values[name])} and cannot be"), error
        assert words in error
        assert outcome.mapped_inputs == {}
    assert working.inference.attempts == []


async def test_long_value_is_shortened_in_the_message(working: Runs) -> None:
    app, following = after(generation(), seed="9" * 3000)
    await failure_of(await working.start_pipeline(pipeline(app, following)))
    [error] = working.outcome(following.run.task_id).errors
    assert len(error) < 400
    assert "999…" in error


@pytest.mark.parametrize("given", ["48", 48.0, 48])
async def test_value_is_written_in_the_type_of_the_request(working: Runs, given: Any) -> None:
    app, following = after(generation(), width=given, style_lora_weight=1)
    outcome = await (await working.start_pipeline(pipeline(app, following))).result()
    assert outcome.status == WorkflowStatus.COMPLETED
    [attempt] = working.inference.attempts
    assert attempt.inputs.width == 48  # pyright: ignore[reportAttributeAccessIssue]
    mapped = working.outcome(following.run.task_id).mapped_inputs
    assert mapped == {"width": 48, "style_lora_weight": 1}
