"""Mapped inputs of a step: values, URLs, and no objects of other owners."""

from typing import Any

import pytest

from shared.contracts.editing import EditingInputs
from shared.contracts.enums import (
    ErrorCategory,
    MappingTransform,
    TaskStatus,
    WorkflowStatus,
)
from shared.contracts.picture_objects import PICTURE_OBJECTS
from shared.contracts.runs import PipelineStep, StepMapping
from tests.fixtures.workflow_runs import (
    Runs,
    editing,
    kinds,
    picture_from,
    pipeline,
    refinement,
    step,
)
from tests.workflows.test_remote_attempts import fal
from tests.workflows.test_run_pipeline import chain, end_of


async def test_results_are_mapped_into_the_next_step(working: Runs) -> None:
    generate, refine = chain()
    run = pipeline(generate, refine)
    handle = await working.start_pipeline(run)
    assert (await handle.result()).status == WorkflowStatus.COMPLETED
    path = working.outcome(generate.run.task_id).results["result_image_path"]
    assert working.inference.attempts[1].inputs.base_image_url == path
    assert working.outcome(refine.run.task_id).mapped_inputs == {"base_image_url": path}
    assert working.records.pipelines[run.workflow_id] == await handle.result()
    assert kinds(await handle.fetch_history())[-3:] == [
        "MARKER_RECORDED",
        "MARKER_RECORDED",
        "WORKFLOW_EXECUTION_COMPLETED",
    ]


def editing_of(*mappings: StepMapping) -> PipelineStep:
    """Build an editing whose base image is the result of the step `generate`."""
    base = picture_from("generate").model_copy(update={"to_field": "base_image"})
    return step("edit", "generate", run=editing(), mappings=[base, *mappings])


def references_from(step_id: str, **fields: Any) -> StepMapping:
    mapping = {"from_step": step_id, "to_field": "reference_images"}
    return StepMapping.model_validate(mapping | fields)


async def test_an_editing_combines_the_results_of_two_steps(working: Runs) -> None:
    link = references_from("sketches", from_field="result_image_paths")
    sketches = step("sketches").model_copy(
        update={"result": {"result_image_paths": ["sketches/0.png", "sketches/1.png"]}}
    )
    generate = step("generate")
    edit = editing_of(link)
    await (await working.start_pipeline(pipeline(sketches, generate, edit))).result()
    inputs = working.inference.attempts[-1].inputs
    assert isinstance(inputs, EditingInputs)
    assert inputs.base_image == working.outcome(generate.run.task_id).results["result_image_path"]
    assert inputs.reference_images == ["sketches/0.png", "sketches/1.png"]
    assert working.outcome(edit.run.task_id).mapped_inputs == {
        "base_image": inputs.base_image,
        "reference_images": inputs.reference_images,
    }


async def test_one_picture_becomes_a_list_of_references(working: Runs) -> None:
    link = references_from("generate", from_field="result_image_path", transform="to_list")
    generate, edit = step("generate"), editing_of(link)
    await (await working.start_pipeline(pipeline(generate, edit))).result()
    inputs = working.inference.attempts[-1].inputs
    assert isinstance(inputs, EditingInputs)
    assert inputs.reference_images == [inputs.base_image]


async def test_more_references_than_a_worker_fetches_fail_the_step(working: Runs) -> None:
    link = references_from("app", from_field="image_paths")
    app = step("app", run=fal()).model_copy(update={"result": {"image_paths": ["mine/a.png"] * 9}})
    edit = editing_of(link)
    await end_of(await working.start_pipeline(pipeline(app, step("generate"), edit)))
    outcome = working.outcome(edit.run.task_id)
    assert outcome.error_category == ErrorCategory.VALIDATION
    assert "inputs.reference_images" in outcome.errors[0]
    assert len(working.inference.attempts) == 1


async def test_mapping_that_finds_no_value_fails_the_step(working: Runs) -> None:
    generate, refine = chain()
    done = generate.model_copy(update={"result": {"result_image_paths": []}})
    run = pipeline(done, refine)
    error = await end_of(await working.start_pipeline(run))
    expected = "generate.result_image_path has no value to map to base_image_url"
    assert error.message == f"step refine: {expected}"
    outcome = working.outcome(refine.run.task_id)
    assert (outcome.status, outcome.attempt) == (TaskStatus.FAILED, 0)
    assert outcome.error_category == ErrorCategory.VALIDATION
    assert outcome.errors == [expected]
    assert not working.inference.attempts


@pytest.mark.parametrize("pick", [MappingTransform.FIRST, MappingTransform.LAST])
async def test_first_and_last_of_a_text_are_the_text(working: Runs, pick: MappingTransform) -> None:
    generate, refine = chain()
    picked = refine.mappings[0].model_copy(update={"transform": pick})
    refine = refine.model_copy(update={"mappings": [picked]})
    await (await working.start_pipeline(pipeline(generate, refine))).result()
    path = working.outcome(generate.run.task_id).results["result_image_path"]
    assert working.inference.attempts[1].inputs.base_image_url == path


async def test_mapped_value_of_the_wrong_kind_fails_the_step(working: Runs) -> None:
    generate, refine = chain()
    done = generate.model_copy(update={"result": {"result_image_path": 7}})
    run = pipeline(done, refine)
    await end_of(await working.start_pipeline(run))
    outcome = working.outcome(refine.run.task_id)
    assert outcome.error_category == ErrorCategory.VALIDATION
    assert outcome.mapped_inputs == {}
    [error] = outcome.errors
    assert error == (
        "generate.result_image_path is 7 and cannot be mapped to base_image_url: "
        "base_image_url: Input should be a valid string"
    )


async def test_a_path_is_mapped_to_a_url(working: Runs) -> None:
    link = StepMapping(
        from_step="generate",
        from_field="result_image_paths",
        to_field="fal_parameters.image_urls",
        transform=MappingTransform.TO_URL,
    )
    app = fal(inputs={"fal_app_id": "fal-ai/x", "fal_parameters": {"strength": 0.5}})
    steps = step("generate"), step("app", "generate", run=app, mappings=[link])
    async with working.provider_worker():
        handle = await working.start_pipeline(pipeline(*steps))
        await handle.result()
    path = working.outcome(steps[0].run.task_id).results["result_image_path"]
    [work] = working.provider.submitted
    assert work.inputs["fal_parameters"] == {
        "strength": 0.5,
        "image_urls": [f"https://store.example/{path}?signed"],
    }


def from_app(**fields: Any) -> tuple[PipelineStep, PipelineStep]:
    """Build an app task on fal, and the refinement of the picture that it names."""
    mapping = {"from_step": "app", "from_field": "image_path", "to_field": "base_image_url"}
    link = StepMapping.model_validate(mapping | fields)
    return step("app", run=fal()), step("refine", "app", run=refinement(), mappings=[link])


async def test_an_app_cannot_name_an_object_of_another_owner(working: Runs) -> None:
    working.provider.results = {"image_path": "generations/of-another-tenant/image.png"}
    steps = from_app()
    async with working.provider_worker():
        await end_of(await working.start_pipeline(pipeline(*steps)))
    outcome = working.outcome(steps[1].run.task_id)
    assert outcome.error_category == ErrorCategory.VALIDATION
    assert "generations/of-another-tenant/image.png" in outcome.errors[0]
    assert working.inference.attempts == []


async def test_an_app_cannot_name_an_object_of_another_owner_through_a_transform(
    working: Runs,
) -> None:
    working.provider.results = {"image_path": '"generations/of-another-tenant/image.png"'}
    async with working.provider_worker():
        handle = await working.start_pipeline(pipeline(*from_app(transform="json")))
        await end_of(handle)
    assert working.inference.attempts == []


async def test_an_app_may_name_an_object_of_its_own(working: Runs) -> None:
    working.provider.results = {"image_path": "mine/image.png"}
    async with working.provider_worker():
        handle = await working.start_pipeline(pipeline(*from_app()))
        assert (await handle.result()).status == WorkflowStatus.COMPLETED


async def test_object_is_read_by_its_key_and_named_by_its_path(working: Runs) -> None:
    working.provider.results = {"image_path": "mine/image.png"}
    steps = from_app()
    async with working.provider_worker():
        await (await working.start_pipeline(pipeline(*steps))).result()
    assert working.inference.attempts[0].inputs.base_image_url == "saved/image.png"
    assert working.outcome(steps[1].run.task_id).mapped_inputs == {
        "base_image_url": "mine/image.png",
        PICTURE_OBJECTS: {"mine/image.png": "saved/image.png"},
    }


async def test_a_foreign_object_gets_no_link(working: Runs) -> None:
    working.provider.results = {"image_path": "generations/of-another-tenant/image.png"}
    link = StepMapping(
        from_step="app",
        from_field="image_path",
        to_field="fal_parameters.image_url",
        transform=MappingTransform.TO_URL,
    )
    steps = step("app", run=fal()), step("second", "app", run=fal(), mappings=[link])
    async with working.provider_worker():
        await end_of(await working.start_pipeline(pipeline(*steps)))
    assert len(working.provider.submitted) == 1
    assert working.outcome(steps[1].run.task_id).mapped_inputs == {}
