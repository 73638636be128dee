"""Each task type's row is complete and consistent with schemas, messages and providers."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, get_type_hints
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.unions import SCHEMAS
from inference_worker.__main__ import _activities_of
from inference_worker.activities.background_removal import BackgroundRemover
from inference_worker.activities.fixers import PictureFixers
from inference_worker.activities.inference import LocalInference
from inference_worker.activities.pictures import PictureActivities
from inference_worker.activities.refinement import PictureRefiner
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.providers import PROVIDERS
from shared.contracts.task_types.row import TaskTypeRow
from shared.contracts.task_types.table import TASK_TYPES

ROWS = pytest.mark.parametrize(("task_type", "row"), list(TASK_TYPES.items()))
INPUTS = [(kind, name) for kind, row in TASK_TYPES.items() for name in row.inputs.model_fields]
# A workflow that mapped into them would lose the value.
DEPRECATED = {
    TaskType.EDITING: {
        "base_image_data",
        "base_image_url",
        "reference_image_data",
        "reference_image_url",
    }
}
TEXT = st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
TELLING: list[Any] = [None, True, 0, 1, -1, 0.5, 1.5, 16_384, 16_385, 2**63, math.nan, math.inf]
TELLING += ["", "a", "7", "fit", [], ["a"], [""], "a.png", {}, {"a": 1}]


def test_every_task_type_has_row_and_schemas() -> None:
    assert set(TASK_TYPES) == set(SCHEMAS) == set(TaskType)
    assert len({row.folder for row in TASK_TYPES.values()}) == len(TaskType)


@ROWS
def test_every_task_type_has_providers_including_the_default(
    task_type: TaskType, row: TaskTypeRow
) -> None:
    able = {name for name, provider in PROVIDERS.items() if task_type in provider.queues}
    assert row.default_provider in able
    assert (row.activity is not None) == any(not PROVIDERS[name].is_remote for name in able)
    assert (ProviderType.LOCAL in able) == (row.local_queue is not None)


@ROWS
def test_create_schema_adds_no_input_to_those_of_the_row(
    task_type: TaskType, row: TaskTypeRow
) -> None:
    schema = SCHEMAS[task_type].create
    own = schema.model_fields.keys() - CreateTaskBase.model_fields.keys() - {"task_type"}
    assert issubclass(schema, row.inputs)
    assert own - DEPRECATED.get(task_type, set()) == row.inputs.model_fields.keys()


@ROWS
def test_pictures_seeds_and_defaults_are_inputs(task_type: TaskType, row: TaskTypeRow) -> None:
    pictures = {name for one in row.pictures for name in (one.name, *one.aliases)}
    assert pictures | {*row.seeds} | row.defaults.keys() <= row.inputs.model_fields.keys()
    assert {one.record_field for one in row.pictures} - {"base_image_path"} <= {
        *SCHEMAS[task_type].public.model_fields
    }


@ROWS
def test_records_show_every_result(task_type: TaskType, row: TaskTypeRow) -> None:
    assert row.results.model_fields.keys() <= SCHEMAS[task_type].public.model_fields.keys()


@pytest.mark.parametrize("row", [row for row in TASK_TYPES.values() if row.activity])
def test_activity_has_the_rows_message_and_results(row: TaskTypeRow) -> None:
    assert row.activity is not None
    hints = get_type_hints(row.activity.method)
    gives: type[BaseModel] = hints["return"]
    asked = row.activity.request.model_fields
    needed = {name for name, field in row.results.model_fields.items() if field.is_required()}
    assert hints["request"] is row.activity.request
    assert needed <= gives.model_fields.keys()
    assert row.activity.config_as is None or row.activity.config_as in asked
    assert asked["inputs"].annotation.model_fields.keys() - row.inputs.model_fields.keys() <= {
        "config",
        "lora_objects",
    }


def test_our_worker_has_the_activity_of_every_row() -> None:
    holders = (LocalInference, PictureRefiner, PictureFixers, PictureActivities, BackgroundRemover)
    served = {method.__name__ for method in _activities_of(*map(object.__new__, holders))}
    assert served == {row.activity.method.__name__ for row in TASK_TYPES.values() if row.activity}


@pytest.mark.parametrize(("task_type", "name"), INPUTS)
def test_one_value_is_validated_like_the_whole_request(task_type: TaskType, name: str) -> None:
    for value in TELLING:
        assert alone(task_type, name, value) == in_request(task_type, name, value)


@given(place=st.sampled_from(INPUTS), value=JSON)
def test_any_value_is_validated_like_the_whole_request(
    place: tuple[TaskType, str], value: Any
) -> None:
    assert alone(*place, value) == in_request(*place, value)


def alone(task_type: TaskType, name: str, value: object) -> list[Any]:
    return faults(lambda: TASK_TYPES[task_type].inputs.validate_one(name, value))


def in_request(task_type: TaskType, name: str, value: object) -> list[Any]:
    request = {**examples()[task_type], name: value}
    told = faults(lambda: SCHEMAS[task_type].create.model_validate(request))
    return [(loc, message) for loc, message in told if loc[:1] == (name,)]


@cache
def examples() -> dict[TaskType, dict[str, Any]]:
    return {kind: one.create.model_json_schema()["example"] for kind, one in SCHEMAS.items()}


def faults(validate: Callable[[], object]) -> list[Any]:
    try:
        validate()
    except ValidationError as error:
        return [(fault["loc"], fault["msg"]) for fault in error.errors()]
    return []


@pytest.mark.parametrize(
    ("task_type", "name", "value", "taken"),
    [
        (TaskType.GENERATION, "width", "64", 64),
        (TaskType.GENERATION, "seed", None, None),
        (TaskType.REFINE, "upscale_factor", 2, 2.0),
        (TaskType.BACKGROUND_REMOVE, "input_image_paths", ["a.png"], ["a.png"]),
    ],
)
def test_value_is_returned_as_the_field_takes_it(
    task_type: TaskType, name: str, value: object, taken: object
) -> None:
    found = TASK_TYPES[task_type].inputs.validate_one(name, value)
    assert (type(found), found) == (type(taken), taken)


@pytest.mark.parametrize(
    ("task_type", "name", "value"),
    [
        (TaskType.GENERATION, "width", 0),
        (TaskType.GENERATION, "seed", True),
        (TaskType.GENERATION, "subject_lora_weight", float("nan")),
        (TaskType.GENERATION, "prompt", None),
        (TaskType.BACKGROUND_REMOVE, "input_image_paths", "a.png"),
        (TaskType.IMAGE_ADJUSTER, "mode", "stretch"),
    ],
)
def test_value_that_does_not_fit_is_refused_by_the_fields_name(
    task_type: TaskType, name: str, value: object
) -> None:
    with pytest.raises(ValidationError) as refused:
        TASK_TYPES[task_type].inputs.validate_one(name, value)
    assert [fault["loc"] for fault in refused.value.errors()] == [(name,)]


def test_result_fields_have_types() -> None:
    results = TASK_TYPES[TaskType.FACE_ENHANCER].results.model_fields
    assert results["result_image_path"].annotation is str
    assert results["attempts_used"].annotation is int
    assert results["final_ssim_score"].annotation == float | None


def test_only_experimental_fal_has_free_results() -> None:
    free = [task_type for task_type, row in TASK_TYPES.items() if row.has_free_results]
    assert free == [TaskType.EXPERIMENTAL_FAL]


def test_keys_start_with_folder_and_task() -> None:
    row, task_id = TASK_TYPES[TaskType.REFINE], UUID(int=7)
    assert row.task_folder(task_id) == f"refines/{task_id}"
    assert row.attempt_folder(task_id, 2) == f"refines/{task_id}/a2"
