"""Requests for remote providers are checked against the app or model that would do them."""

from typing import Any

import pytest

from api_gateway.auth.ownership import Origin
from api_gateway.errors import Fault
from api_gateway.tasks.drafting import draft_task
from api_gateway.tasks.schemas.unions import SCHEMAS
from api_gateway.workflows.schemas import CreateWorkflow
from api_gateway.workflows.step_validation import validate_step
from shared.contracts.enums import TaskType
from shared.contracts.fal_apps.table import chosen_app
from shared.db.models.tables import Task
from shared.settings import ModelSettings
from workflows.starts import task_run

IMAGE = "https://images.example.com/a.jpg"
NEEDED: dict[str, dict[str, Any]] = {
    "GENERATION": {"prompt": "a"},
    "EDITING": {"prompt": "a", "base_image": IMAGE},
    "REFINE": {"base_image_url": IMAGE, "upscale_factor": 2},
    "VIDEO_GENERATION": {"prompt": "a"},
}
FAL = {"provider_type": "fal_standard"}
KLING = "fal-ai/kling-video/v3/standard"
NEGATIVE = {"config": {"negative_prompt": "blur"}}


def _app(app_id: str) -> dict[str, Any]:
    return {"provider_config": FAL | {"fal_app_id": app_id}}


def draft(
    task_type: str, *, mapped: tuple[str, ...] = (), **fields: Any
) -> tuple[Task, list[Fault]]:
    schema = SCHEMAS[TaskType(task_type)].create
    body = {"origin_instance": "shop", **NEEDED[task_type], **fields}
    request = schema.model_validate(body)
    return draft_task(request, Origin("shop", None, None, None), ModelSettings(), mapped=mapped)


def faults(*arguments: Any, **fields: Any) -> dict[tuple[str | int, ...], str]:
    return {fault.loc: fault.message for fault in draft(*arguments, **fields)[1]}


@pytest.mark.parametrize(
    ("task_type", "fields", "place", "told"),
    [
        ("GENERATION", FAL | NEGATIVE, ("config", "negative_prompt"), "fal_standard lacks"),
        ("GENERATION", _app("fal-ai/flux/dev") | NEGATIVE, ("config", "negative_prompt"),
         "fal_standard with fal-ai/flux/dev lacks the capability NEGATIVE_PROMPT"),
        ("GENERATION", _app("fal-ai/flux/dev") | {"subject_model_path": "a"},
         ("subject_model_path",), "LORA"),
        ("GENERATION", _app("fal-ai/flux/dev") | {"reference_image_url": IMAGE},
         ("reference_image_url",), "REFERENCE_IMAGE"),
        ("EDITING", FAL | NEGATIVE, ("config", "negative_prompt"), "NEGATIVE_PROMPT"),
        ("EDITING", _app("fal-ai/flux-pro/kontext") | {"reference_images": [IMAGE]},
         ("reference_images",), "REFERENCE_IMAGE"),
        ("REFINE", FAL | {"upscale_factor": 5}, ("upscale_factor",), "from 1 to 4"),
        ("REFINE", FAL | {"face_detail_enabled": True}, ("face_detail_enabled",), "FACE_DETAIL"),
        ("VIDEO_GENERATION", _app(f"{KLING}/image-to-video"), ("prompt",), "TEXT_TO_VIDEO"),
        ("VIDEO_GENERATION", {"input_image_url": IMAGE, **_app(f"{KLING}/text-to-video")},
         ("input_image_url",), "IMAGE_TO_VIDEO"),
        ("VIDEO_GENERATION", _app("fal-ai/minimax/hailuo-02/standard/text-to-video")
         | {"negative_prompt": "blur", "duration_seconds": 6}, ("negative_prompt",), "NEGATIVE"),
        ("VIDEO_GENERATION", {"duration_seconds": 2}, ("duration_seconds",), "must be one of 3"),
        ("VIDEO_GENERATION", {"cfg_scale": 1.1}, ("cfg_scale",), "from 0 to 1"),
        ("VIDEO_GENERATION", {"fal_app_id": "kling"} | _app("kling"),
         ("provider_config", "fal_app_id"), "write owner/app"),
        ("EDITING", {"provider_type": "fashn_standard"}, ("reference_images",), "exactly one"),
        ("REFINE", {"provider_config": {"provider_type": "freepik_magnific"}, "upscale_factor": 6},
         ("upscale_factor",), "2, 4, 8, 16"),
    ],
)  # fmt: skip
def test_what_the_app_cannot_do_is_refused_at_its_place(
    task_type: str, fields: dict[str, Any], place: tuple[str, ...], told: str
) -> None:
    assert told in faults(task_type, **fields).get(place, "nothing")


@pytest.mark.parametrize(
    ("task_type", "fields"),
    [
        ("GENERATION", FAL | {"subject_model_path": "a", "style_model_path": "b", "seed": 1}),
        ("GENERATION", FAL | {"reference_image_url": IMAGE, "reference_image_strength": 30}),
        ("GENERATION", _app("acme/own") | NEGATIVE),
        ("EDITING", FAL | {"reference_images": [IMAGE] * 3, "width": 960, "height": 1280}),
        ("EDITING", _app("fal-ai/qwen-image-edit-plus") | NEGATIVE),
        ("REFINE", FAL | {"upscale_factor": 2.5}),
        ("REFINE", FAL | {"upscale_factor": None, "target_width": 99, "target_height": 99}),
        ("REFINE", {"provider_type": "freepik_magnific_precision", "upscale_factor": 3}),
        ("VIDEO_GENERATION", {"negative_prompt": "blur", "duration_seconds": 15}),
        ("VIDEO_GENERATION", {"input_image_url": IMAGE, "config": {"generate_audio": True}}),
        ("EDITING", {"provider_type": "fashn_standard", "reference_images": [IMAGE]}),
    ],
)
def test_what_the_app_can_do_is_accepted(task_type: str, fields: dict[str, Any]) -> None:
    task, found = draft(task_type, **fields)
    assert found == []
    assert not task.warnings


def test_a_fallback_is_checked_as_well() -> None:
    fallback = {"fallback_provider_config": {"provider_type": "fal_standard", "fal_app_id": "x"}}
    found = faults("REFINE", **fallback, upscale_factor=8)
    assert "write owner/app" in found["fallback_provider_config", "fal_app_id"]
    found = faults("REFINE", fallback_provider_type="fal_standard", upscale_factor=8)
    assert found.keys() == {("fallback_provider_type",)}
    assert "cannot do this: upscale_factor must be" in found["fallback_provider_type",]
    found = faults("GENERATION", fallback_provider_type="fal_standard", **NEGATIVE)
    assert "which 'config.negative_prompt' needs" in found["fallback_provider_type",]
    assert faults("REFINE", fallback_provider_type="fal_standard", upscale_factor=4) == {}


@pytest.mark.parametrize(
    ("task_type", "app_id"),
    [
        ("VIDEO_GENERATION", "fal-ai/veo3.1"),
        ("GENERATION", "fal-ai/flux-lora"),
        ("EDITING", "fal-ai/flux-2/edit"),
        ("REFINE", "fal-ai/esrgan"),
    ],
)
def test_an_app_named_in_config_is_the_one_that_is_checked(task_type: str, app_id: str) -> None:
    config = {"fal_app_id": app_id}
    durations = {"duration_seconds": 8} if task_type == "VIDEO_GENERATION" else {}
    task, found = draft(task_type, **FAL, **durations, config=config)
    assert (found, task.warnings) == ([], None)
    assert chosen_app(TaskType(task_type), {}, task_run(task).inputs).id == app_id
    assert app_id in str(faults(task_type, **FAL, config={"fal_app_id": f"{app_id}/requests"}))
    other = faults(task_type, **FAL, config={"fal_app_id": "fal-ai/topaz/upscale/image"})
    assert (("config", "fal_app_id") in other) == (task_type != "REFINE")


def test_an_app_named_in_config_is_checked_for_the_shootify_refiner() -> None:
    shootify = {"provider_type": "fal_shootify_refiner"}
    assert faults("REFINE", **shootify, config={"fal_app_id": "acme/own"}) == {}
    assert ("provider_config", "fal_app_id") in faults("REFINE", **shootify)


@pytest.mark.parametrize("config", [{"fal_app_id": "acme/a"}, {"config": {"fal_app_id": "acme/a"}}])
@pytest.mark.parametrize("task_type", NEEDED)
def test_an_app_named_in_the_config_of_a_step_is_used(
    task_type: str, config: dict[str, Any]
) -> None:
    fields = NEEDED[task_type] | config
    # REFINE and EDITING have another provider by default; the step's config names its provider.
    choice = {"provider_config": FAL} if "fal_app_id" in config else {}
    step = {"id": "a", "task_type": task_type, "config": fields, **choice}
    body = CreateWorkflow.model_validate({"name": "a", "origin_instance": "shop", "steps": [step]})
    origin = Origin("shop", None, None, None)
    request, found = validate_step(body.steps[0], body, origin)
    assert request is not None, found
    task, found = draft_task(request, origin, ModelSettings())
    assert found == []
    run = task_run(task)
    assert chosen_app(run.task_type, run.provider_config, run.inputs).id == "acme/a"


@pytest.mark.parametrize("field", ["provider_config", "fallback_provider_config"])
def test_an_id_that_the_provider_gives_is_not_recorded(field: str) -> None:
    fal = FAL | {"fal_app_id": "acme/own", "fal_request_id": "x"}
    recorded = getattr(draft("GENERATION", **{field: fal})[0], field)
    assert (recorded["fal_app_id"], recorded["fal_request_id"]) == ("acme/own", None)
    fashn = {"provider_type": "fashn_standard", "fashn_task_id": "x"}
    recorded = getattr(draft("EDITING", reference_images=[IMAGE], **{field: fashn})[0], field)
    assert recorded["fashn_task_id"] is None


def test_mapped_values_are_left_to_the_workflow() -> None:
    mapped = ("duration_seconds", "cfg_scale", "input_image_url")
    assert faults("VIDEO_GENERATION", mapped=mapped) == {}
    assert faults("REFINE", mapped=("upscale_factor",), **FAL) == {}
    assert faults("GENERATION", mapped=("fal_app_id",), **FAL) == {}
    fashn = {"provider_type": "fashn_standard"}
    assert faults("EDITING", mapped=("reference_images",), **fashn) == {}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (FAL, ["config.strength was ignored: fal_standard does not take it"]),
        ({"provider_type": "fashn_standard", "reference_images": [IMAGE]},
         ["config.strength was ignored: fashn_standard"]),
        (_app("fal-ai/bytedance/seedream/v4/edit"), ["config.strength was ignored"]),
        ({"provider_type": "vertex"}, ["config.strength was ignored: vertex does not take it"]),
    ],
)  # fmt: skip
def test_keys_that_do_not_reach_the_app_are_told(fields: dict[str, Any], told: list[str]) -> None:
    config = {"strength": 0.5, "fal_app_id": "a/b", "my_own": 1}
    task, found = draft("EDITING", **fields, config=config)
    assert found == []
    warnings = task.warnings or []
    assert len(warnings) == len(told)
    assert all(start in warning for warning, start in zip(warnings, told, strict=True))
