"""EDITING requests checked against the limits of the local model."""

from typing import Any

import pytest

from api_gateway.auth.ownership import Origin
from api_gateway.errors import Fault
from api_gateway.tasks.drafting import draft_task
from api_gateway.tasks.schemas.editing import CreateEditingTask
from shared.db.models.tables import Task
from shared.settings import ModelSettings

IMAGE = "https://images.example.com/a.jpg"
SWATCH = ModelSettings()
WITHOUT_EDITOR = ModelSettings(source="/models/flux")
WITH_EDITOR = ModelSettings(source="/models/flux", editor_source="/models/kontext")


def draft(
    model: ModelSettings = SWATCH, *, mapped: tuple[str, ...] = (), **fields: Any
) -> tuple[Task, list[Fault]]:
    body = {
        "origin_instance": "shop",
        "prompt": "in red",
        "base_image": IMAGE,
        "provider_type": "local",
    }
    request = CreateEditingTask.model_validate(body | fields)
    return draft_task(request, Origin("shop", None, None, None), model, mapped=mapped)


def refusals(*arguments: Any, **fields: Any) -> dict[tuple[str | int, ...], str]:
    return {fault.loc: fault.message for fault in draft(*arguments, **fields)[1]}


def test_local_editing_is_complete() -> None:
    task, faults = draft(reference_images=[IMAGE])

    assert faults == []
    assert (task.inputs["width"], task.inputs["height"]) == (64, 64)
    assert task.inputs["seed"] >= 0
    assert task.queue_name == "inference"
    assert task.inputs["reference_images"] == [IMAGE]


def test_size_that_was_asked_for_is_kept_even_where_it_is_the_default() -> None:
    task, faults = draft(WITH_EDITOR, width=1024, height=2048)

    assert faults == []
    assert (task.inputs["width"], task.inputs["height"]) == (1024, 2048)
    # 1024 is the schema's default, yet too large for the small model if it is sent.
    assert refusals(width=1024).keys() == {("width",)}


@pytest.mark.parametrize("side", [0, 8, 63, 80, 8192])
@pytest.mark.parametrize("name", ["width", "height"])
def test_size_that_the_model_cannot_make_is_refused(name: str, side: int) -> None:
    if side == 0:
        with pytest.raises(ValueError, match=name):
            draft(**{name: side})
        return
    told = refusals(**{name: side})

    assert told.keys() == {(name,)}
    assert "16 to 64 px in steps of 16" in told[name,]


@pytest.mark.parametrize(
    ("model", "most"), [(SWATCH, 3), (WITH_EDITOR, 3), (WITHOUT_EDITOR, 0)], ids=str
)
def test_references_are_as_many_as_the_model_looks_at(model: ModelSettings, most: int) -> None:
    assert model.max_references == most
    assert refusals(model, reference_images=[]) == {}
    assert refusals(model, reference_images=[IMAGE] * most) == {}
    told = refusals(model, reference_images=[IMAGE] * (most + 1))
    assert told.keys() == {("reference_images",)}
    right = "leave this field out" if most == 0 else f"takes at most {most}"
    assert right in told["reference_images",]


def test_mapped_references_are_counted_by_the_worker() -> None:
    assert refusals(SWATCH, mapped=("reference_images", "base_image")) == {}
    assert refusals(WITHOUT_EDITOR, mapped=("reference_images",)).keys() == {("reference_images",)}


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"strength": 1.01}, "strength"),
    ({"strength": -0.1}, "strength"),
    ({"strength": "much"}, "strength"),
    ({"strength": float("nan")}, "strength"),
    ({"num_images": 0}, "num_images"),
    ({"num_images": 9}, "num_images"),
    ({"num_inference_steps": 201}, "num_inference_steps"),
    ({"guidance_scale": -1}, "guidance_scale"),
    ({"negative_prompt": 7}, "negative_prompt"),
]


@pytest.mark.parametrize(("config", "key"), CONFIGS)
def test_config_that_the_worker_cannot_read_is_refused_by_its_key(
    config: dict[str, Any], key: str
) -> None:
    assert refusals(config=config).keys() == {("config", key)}


@pytest.mark.parametrize("strength", [0, 0.5, 1])
def test_other_keys_of_a_config_are_kept(strength: float) -> None:
    config = {"strength": strength, "backend_generation_id": "x"}
    task, faults = draft(config=config)

    assert faults == []
    assert task.config == config


@pytest.mark.parametrize("config", [config for config, key in CONFIGS if key != "num_images"])
def test_what_another_provider_does_is_not_the_models_matter(config: dict[str, Any]) -> None:
    elsewhere = {"provider_type": "vertex", "config": config, "reference_images": [IMAGE] * 5}
    task, faults = draft(WITHOUT_EDITOR, **elsewhere)

    assert faults == []
    assert task.config == config
    assert (task.inputs["width"], task.queue_name) == (1024, "provider-vertex")


def test_vertex_edits_where_nobody_is_named() -> None:
    task, faults = draft(provider_type=None)

    assert faults == []
    assert task.provider_type == "vertex"


def test_what_falls_back_to_us_must_be_in_our_reach() -> None:
    told = refusals(
        provider_type="vertex",
        fallback_provider_type="local",
        width=1024,
        config={"strength": 2},
        reference_images=[IMAGE] * 4,
    )

    assert told.keys() == {("width",), ("config", "strength"), ("reference_images",)}
