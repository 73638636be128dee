"""Valid and invalid workflow definitions."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.workflows.schemas import CreateWorkflow, WorkflowUpdate
from shared.contracts.enums import MappingTransform, ProviderType, TaskType
from shared.contracts.task_types.table import TASK_TYPES

EXAMPLE: dict[str, Any] = CreateWorkflow.model_json_schema()["example"]


def _with_step(**fields: Any) -> CreateWorkflow:
    step = {"id": "a", "task_type": "REFINE", **fields}
    return CreateWorkflow.model_validate({"name": "n", "origin_instance": "o", "steps": [step]})


def test_the_references_example_is_valid() -> None:
    workflow = CreateWorkflow.model_validate_json(json.dumps(EXAMPLE))

    generate, refine = workflow.steps
    assert (generate.task_type, generate.max_retries) == (TaskType.GENERATION, 3)
    assert refine.depends_on == ["generate"]
    assert refine.input_mappings[0].to_field == "base_image_url"
    assert workflow.suppress_subtask_events


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "n" * 256),
        ("description", "d" * 1001),
        ("origin_instance", ""),
        ("origin_reference", "r" * 513),
        ("webhook_url", "file:///etc/passwd"),
        ("steps", []),
        ("steps", [EXAMPLE["steps"][0]] * 201),
    ],
)
def test_bounds(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        CreateWorkflow.model_validate({**EXAMPLE, field: value})

    assert {error["loc"][0] for error in refusal.value.errors()} == {field}


def test_unknown_fields_are_ignored_also_in_steps() -> None:
    workflow = _with_step(colour="red", provider_type="vertex")

    assert "colour" not in workflow.model_dump()["steps"][0]


def test_steps_know_the_old_name_of_background_removal() -> None:
    assert _with_step(task_type="BACKGROUND_REMOVAL").steps[0].task_type is (
        TaskType.BACKGROUND_REMOVE
    )


def test_unknown_task_type_lists_the_known() -> None:
    with pytest.raises(ValidationError, match="'GENERATION', 'EDITING'"):
        _with_step(task_type="SEWING")


def test_a_steps_provider_is_named_by_its_config_or_its_type() -> None:
    by_default = _with_step(provider_config={"num_tiles": 4}).steps[0].provider_config
    by_app = _with_step(
        config={"fal_app_id": "fal-ai/x"}, provider_config={"provider_type": "fal_standard"}
    ).steps[0]

    assert by_default is not None
    assert by_default.provider_type is ProviderType.SARTIQ_ULTIMATE_REFINER
    assert by_app.provider_config is not None
    assert by_app.provider_config.model_dump()["fal_app_id"] == "fal-ai/x"


def test_unknown_capability_is_refused() -> None:
    with pytest.raises(ValidationError, match="unknown capability 'FLYING'; known are UPSCALE_2X"):
        _with_step(active_provider_capabilities=["FLYING"])


def test_mapping_transforms_are_known_ones() -> None:
    mapping = {"from_step": "b", "from_field": "x", "to_field": "y"}

    known = _with_step(input_mappings=[{**mapping, "transform": "to_list"}]).steps[0]
    assert known.input_mappings[0].transform is MappingTransform.TO_LIST
    with pytest.raises(ValidationError, match="'to_url'"):
        _with_step(input_mappings=[{**mapping, "transform": "upper"}])


@pytest.mark.parametrize(
    ("task_type", "alias", "field"),
    [
        (task_type, alias, field.name)
        for task_type, row in TASK_TYPES.items()
        for field in row.pictures
        for alias in (field.name, *field.aliases)
    ],
)
def test_mapping_to_an_alias_is_one_to_the_field_that_it_means(
    task_type: TaskType, alias: str, field: str
) -> None:
    mapping = {"from_step": "b", "from_field": "result_image_path", "to_field": alias}
    step = _with_step(task_type=task_type, input_mappings=[mapping]).steps[0]
    assert step.input_mappings[0].to_field == field


def test_update_tells_null_from_absent() -> None:
    update = WorkflowUpdate.model_validate({"description": None})

    assert update.model_dump(exclude_unset=True) == {"description": None}
