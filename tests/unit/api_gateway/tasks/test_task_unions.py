"""The task type of a body, of its response, and of its change."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api_gateway.tasks.schemas.unions import (
    SCHEMAS,
    TaskCreate,
    TaskPublic,
    TaskPublicUpdate,
)
from shared.contracts.enums import TaskStatus, TaskType
from tests.examples import up_to

CREATE: TypeAdapter[Any] = TypeAdapter(TaskCreate)
PUBLIC: TypeAdapter[Any] = TypeAdapter(TaskPublic)
UPDATE: TypeAdapter[Any] = TypeAdapter(TaskPublicUpdate)

ORIGIN = {"origin_instance": "test"}
IMAGE = "https://images.example.com/a.jpg"

# Bodies whose fields alone decide their type. FACE_ENHANCER is missing: IMAGE_ADJUSTER has all
# its fields too, and comes before it in the reference's order.
TELLING_BODIES: dict[TaskType, dict[str, Any]] = {
    TaskType.GENERATION: {"prompt": "a dress", "subject_model_path": "identities/a.safetensors"},
    TaskType.EDITING: {"prompt": "a red dress", "base_image": IMAGE},
    TaskType.REFINE: {"base_image_url": IMAGE, "upscale_factor": 2},
    TaskType.EXPERIMENTAL_FAL: {"fal_app_id": "fal-ai/x", "fal_parameters": {"a": 1}},
    TaskType.VIDEO_GENERATION: {"prompt": "she turns", "input_image_url": IMAGE},
    TaskType.LLM_INTERACTION: {"prompt": "describe", "system_prompt": "be brief"},
    TaskType.BACKGROUND_REMOVE: {"input_image_paths": [IMAGE]},
    TaskType.DETAIL_ENHANCER: {"base_image": IMAGE, "reference_image": IMAGE},
    TaskType.BACKGROUND_FIX: {"base_image": IMAGE, "palette_image": IMAGE},
    TaskType.IMAGE_ADJUSTER: {"input_image": IMAGE, "aspect_ratio": 0.8},
    TaskType.FACE_ENHANCER: {"input_image": IMAGE},
}
# What each type's record has beside the fields of every record.
RECORDS: dict[TaskType, dict[str, Any]] = {
    TaskType.GENERATION: {"fal_app_id": None, "fal_request_id": None},
    TaskType.EDITING: {
        "fal_app_id": None,
        "fal_request_id": None,
        "prompt": "p",
        "base_image_path": "a.png",
        "width": 8,
        "height": 8,
    },
    TaskType.REFINE: {
        "fal_app_id": None,
        "fal_request_id": None,
        "upscale_denoise": 0.35,
        "upscale_steps": 20,
        "upscale_seed": 1,
        "face_detail_denoise": 0.35,
        "face_detail_steps": 20,
        "face_detail_seed": 2,
    },
    TaskType.EXPERIMENTAL_FAL: {"fal_app_id": "fal-ai/x"},
    TaskType.VIDEO_GENERATION: {"prompt": "p", "duration_seconds": 5, "cfg_scale": 0.5},
    TaskType.LLM_INTERACTION: {"prompt": "p"},
    TaskType.BACKGROUND_REMOVE: {"input_image_paths": ["a.png"]},
    TaskType.DETAIL_ENHANCER: {"base_image_path": "a.png", "reference_image_path": "b.png"},
    TaskType.BACKGROUND_FIX: {
        "base_image_path": "a.png",
        "palette_image_path": "b.png",
        "strategy": "lab_shift",
    },
    TaskType.IMAGE_ADJUSTER: {"input_image_path": "a.png", "mode": "auto"},
    TaskType.FACE_ENHANCER: {"input_image_path": "a.png"},
}
ALL_TYPES = pytest.mark.parametrize("task_type", list(TaskType))

_TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1)


def _record(task_type: TaskType) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "id": uuid4(),
        "task_type": task_type,
        "priority": 0,
        "origin_instance": "test",
        "created_at": now,
        "updated_at": now,
        "status": TaskStatus.PENDING,
        **RECORDS[task_type],
    }


@ALL_TYPES
def test_named_type_is_read_as_itself(task_type: TaskType) -> None:
    body = {**ORIGIN, **TELLING_BODIES[task_type], "task_type": task_type.value}

    task = CREATE.validate_python(body)

    assert type(task) is SCHEMAS[task_type].create
    assert task.task_type is task_type


@ALL_TYPES
def test_fields_decide_where_no_type_is_named(task_type: TaskType) -> None:
    task = CREATE.validate_python({**ORIGIN, **TELLING_BODIES[task_type]})

    is_face = task_type is TaskType.FACE_ENHANCER
    assert task.task_type is (TaskType.IMAGE_ADJUSTER if is_face else task_type)


def test_first_type_in_order_wins_where_fields_fit_several_alike() -> None:
    # GENERATION, VIDEO_GENERATION and LLM_INTERACTION need only a prompt.
    assert CREATE.validate_python({**ORIGIN, "prompt": "p"}).task_type is TaskType.GENERATION


def test_null_fields_do_not_decide() -> None:
    body = {**ORIGIN, "prompt": "p", "system_prompt": None, "input_images": None}

    assert CREATE.validate_python(body).task_type is TaskType.GENERATION


def test_deprecated_base_image_still_says_editing() -> None:
    task = CREATE.validate_python({**ORIGIN, "prompt": "p", "base_image_data": "aGk="})

    assert task.task_type is TaskType.EDITING
    assert task.base_image == "aGk="


def test_body_that_fits_no_type_is_told_the_types() -> None:
    with pytest.raises(ValidationError, match=r"task_type is missing.*GENERATION, EDITING, REFINE"):
        CREATE.validate_python({**ORIGIN, "width": 64})


@pytest.mark.parametrize("named", ["GENERATE", "", None, 3, ["GENERATION"]])
def test_unknown_type_is_refused_and_the_known_are_listed(named: object) -> None:
    with pytest.raises(ValidationError) as refusal:
        CREATE.validate_python({**ORIGIN, "prompt": "p", "task_type": named})

    assert "FACE_ENHANCER" in str(refusal.value)


@pytest.mark.parametrize("body", [None, 1, "GENERATION", [], [{"prompt": "p"}]])
def test_body_that_is_no_object_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        CREATE.validate_python(body)


def test_background_removal_is_another_name_of_background_remove() -> None:
    body = {**ORIGIN, "input_image_paths": [IMAGE], "task_type": "BACKGROUND_REMOVAL"}

    for task in (
        CREATE.validate_python(body),
        SCHEMAS[TaskType.BACKGROUND_REMOVE].create.model_validate(body),
    ):
        assert task.model_dump(mode="json")["task_type"] == "BACKGROUND_REMOVE"


def test_callers_body_is_left_as_it_was() -> None:
    body = {**ORIGIN, "prompt": "p", "base_image_url": IMAGE, "provider_config": {}}
    before = {**body, "provider_config": {}}

    CREATE.validate_python(body | {"provider_config": {"provider_type": "vertex"}})
    CREATE.validate_python(body)

    assert body == before


@ALL_TYPES
def test_examples_are_valid(task_type: TaskType) -> None:
    schema = SCHEMAS[task_type].create
    example = schema.model_json_schema()["example"]

    assert type(CREATE.validate_python(example)) is schema


@settings(max_examples=up_to(30))
@given(
    task_type=st.sampled_from(list(TaskType)),
    unknown=st.dictionaries(_TEXT.map("x-{}".format), st.integers() | _TEXT),
)
def test_unknown_fields_are_ignored(task_type: TaskType, unknown: dict[str, Any]) -> None:
    body = {**ORIGIN, **TELLING_BODIES[task_type]}

    assert CREATE.validate_python({**body, **unknown}) == CREATE.validate_python(body)


@ALL_TYPES
def test_record_is_answered_as_its_type(task_type: TaskType) -> None:
    answer = PUBLIC.validate_python(_record(task_type))

    assert type(answer) is SCHEMAS[task_type].public
    assert PUBLIC.dump_python(answer, mode="json")["task_type"] == task_type.value


@ALL_TYPES
def test_change_is_read_as_the_stored_tasks_type(task_type: TaskType) -> None:
    change = UPDATE.validate_python(
        {"priority": 4, "fal_parameters": {"a": 1}, "queue_name": "inference", "unknown": 1}
    )

    mine = change.as_type(task_type)

    extra = {
        TaskType.EXPERIMENTAL_FAL: {"fal_parameters"},
        TaskType.LLM_INTERACTION: {"queue_name"},
    }
    assert type(mine) is SCHEMAS[task_type].update
    assert mine.model_fields_set == {"priority"} | extra.get(task_type, set())


def test_sent_null_is_kept_apart_from_nothing_sent() -> None:
    change = UPDATE.validate_python({"config": None}).as_type(TaskType.GENERATION)

    assert change.model_dump(exclude_unset=True) == {"config": None}


def test_a_route_reads_and_answers_the_unions() -> None:
    app = FastAPI()

    @app.post("/", response_model=TaskPublic)
    async def create(task: TaskCreate) -> Any:
        return {**_record(task.task_type), "config": {"read_as": type(task).__name__}}

    @app.put("/")
    async def change(body: TaskPublicUpdate) -> dict[str, Any]:
        return body.model_dump(exclude_unset=True)

    with TestClient(app) as client:
        created = client.post("/", json={**ORIGIN, "input_image": IMAGE})
        refused = client.post("/", json={**ORIGIN, "task_type": "REFINE"})
        changed = client.put("/", json={"queue_name": "inference", "fal_app_id": "x"})

    assert created.json()["task_type"] == "IMAGE_ADJUSTER"
    assert created.json()["config"] == {"read_as": "CreateImageAdjusterTask"}
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "REFINE", "base_image_url"]
    assert changed.json() == {"queue_name": "inference", "fal_app_id": "x"}
