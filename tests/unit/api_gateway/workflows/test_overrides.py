"""Merging of a step's config with an override."""

import uuid
from typing import Any

import pytest

from api_gateway.errors import Problem
from api_gateway.workflows.overrides import Override, Overrides, merged
from shared.db.models.tables import Task, WorkflowStep


def step(task_type: str, **config: Any) -> WorkflowStep:
    return WorkflowStep(step_id="a", task_type=task_type, config=config)


@pytest.mark.parametrize(
    ("has", "sent", "result"),
    [
        ({"prompt": "red", "width": 64}, {"prompt": "blue"}, {"prompt": "blue", "width": 64}),
        ({"prompt": "red", "seed": 7}, {"seed": None}, {"prompt": "red"}),
        ({"num_inference_steps": 9}, {"seed": 1}, {"num_inference_steps": 9, "seed": 1}),
        # Keys of the engine, wherever they are.
        (
            {"config": {"num_inference_steps": 9, "guidance_scale": 2}},
            {"config": {"num_inference_steps": 1}},
            {"config": {"num_inference_steps": 1, "guidance_scale": 2}},
        ),
        (
            {"config": {"num_inference_steps": 9}},
            {"num_inference_steps": 1},
            {"num_inference_steps": 1},
        ),
        (
            {"num_inference_steps": 9},
            {"config": {"num_inference_steps": 1}},
            {"config": {"num_inference_steps": 1}},
        ),
        ({"seed": 7}, {"config": {"seed": 1}}, {"seed": 7, "config": {"seed": 1}}),
        ({"config": {"seed": 1}}, {"seed": 7}, {"seed": 7, "config": {"seed": 1}}),
        ({"config": {"num_images": 2}, "seed": 7}, {"config": None}, {"seed": 7}),
        ({"config": 5}, {"seed": 7}, {"seed": 7}),
        # One image by another name.
        (
            {"reference_image_url": "a.png"},
            {"reference_image_data": "data:"},
            {"reference_image_data": "data:"},
        ),
    ],
)
def test_what_is_sent_counts_and_the_rest_stays(
    has: dict[str, Any], sent: dict[str, Any], result: dict[str, Any]
) -> None:
    assert merged(step("GENERATION", **has), sent) == result


def test_deprecated_name_stands_for_the_field_that_replaced_it() -> None:
    has = {"base_image": "a.png", "reference_images": ["b.png"], "prompt": "x"}
    sent = {"base_image_url": "c.png", "reference_image_data": "data:"}
    assert merged(step("EDITING", **has), sent) == {"prompt": "x"} | sent


def overrides(of: WorkflowStep, draft: Task) -> Overrides:
    return Overrides({"a": Override(of.config, {"prompt": "blue"}, draft)})


def drafted(task_id: uuid.UUID) -> Task:
    return Task(id=task_id, inputs={"prompt": "blue"}, config={"num_images": 2})


def test_step_and_task_get_what_was_drafted() -> None:
    task_id = uuid.uuid4()
    one, task = step("GENERATION", prompt="red"), Task(id=task_id, inputs={}, config={})
    one.task_id = task_id
    assert overrides(one, drafted(task_id)).apply(one, task)
    assert (task.id, task.inputs, task.config) == (task_id, {"prompt": "blue"}, {"num_images": 2})
    assert one.config == {"prompt": "blue"}


def test_step_without_an_override_is_left_alone() -> None:
    assert not Overrides().apply(step("GENERATION"), Task())


@pytest.mark.parametrize("change", ["its config", "its task was begun"])
def test_step_that_has_changed_since_the_check_is_a_conflict(change: str) -> None:
    task_id = uuid.uuid4()
    one, task = step("GENERATION", prompt="red"), Task(id=task_id)
    one.task_id = task_id
    checked = overrides(one, drafted(task_id))
    if change == "its config":
        one.config = {"prompt": "green"}
    else:
        task.id = uuid.uuid4()
    with pytest.raises(Problem, match="changed by another request") as refused:
        checked.apply(one, task)
    assert refused.value.status == 409
