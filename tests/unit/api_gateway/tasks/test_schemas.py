"""Bounds, defaults and rules across the fields of one request."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from api_gateway.tasks.schemas.background_fix import CreateBackgroundFixTask
from api_gateway.tasks.schemas.background_remove import CreateBackgroundRemovalTask
from api_gateway.tasks.schemas.create import CreateTaskBase
from api_gateway.tasks.schemas.editing import CreateEditingTask
from api_gateway.tasks.schemas.generation import CreateGenerationTask, GenerationTaskUpdate
from api_gateway.tasks.schemas.image_adjuster import CreateImageAdjusterTask
from api_gateway.tasks.schemas.refine import CreateRefineTask
from api_gateway.tasks.schemas.unions import SCHEMAS
from api_gateway.tasks.schemas.video_generation import CreateVideoGenerationTask
from api_gateway.training.schemas import TrainingTaskCreate
from api_gateway.workflows.schemas import CreateWorkflow
from shared.contracts.enums import BackgroundFixStrategy, ProviderCapability, TaskType
from shared.contracts.request_model import RequestModel
from tests.examples import up_to

IMAGE = "https://images.example.com/a.jpg"
MINIMAL: dict[type[CreateTaskBase], dict[str, Any]] = {
    CreateGenerationTask: {"prompt": "p"},
    CreateEditingTask: {"prompt": "p", "base_image": IMAGE},
    CreateRefineTask: {"base_image_url": IMAGE, "upscale_factor": 2},
    CreateVideoGenerationTask: {"prompt": "p"},
    CreateBackgroundRemovalTask: {"input_image_paths": [IMAGE]},
    CreateBackgroundFixTask: {"base_image": IMAGE, "palette_image": IMAGE},
    CreateImageAdjusterTask: {"input_image": IMAGE},
}


def _read(schema: type[CreateTaskBase], **fields: Any) -> Any:
    return schema.model_validate({"origin_instance": "test", **MINIMAL[schema], **fields})


def _refusal(schema: type[CreateTaskBase], **fields: Any) -> dict[str, Any]:
    with pytest.raises(ValidationError) as refusal:
        _read(schema, **fields)
    (error,) = refusal.value.errors()
    return dict(error)


def test_defaults_of_the_domain() -> None:
    generation = _read(CreateGenerationTask)
    refine = _read(CreateRefineTask)
    fix = _read(CreateBackgroundFixTask)
    adjuster = _read(CreateImageAdjusterTask)
    video = _read(CreateVideoGenerationTask)

    assert (generation.priority, generation.width, generation.seed) == (0, None, None)
    assert generation.product2_lora_weight == 0.8
    assert (refine.upscale_enabled, refine.upscale_denoise, refine.upscale_steps) == (
        True,
        0.35,
        20,
    )
    assert (refine.face_detail_enabled, refine.face_detail_steps) == (False, 20)
    assert fix.strategy is BackgroundFixStrategy.LAB_SHIFT
    assert (fix.edge_blur_sigma, fix.shadow_threshold, fix.light_threshold) == (20, 150, 220)
    assert fix.mask_expansion_percentage == 0.005
    assert (adjuster.mode, adjuster.cropping_position, adjuster.tolerance) == ("auto", "center", 0)
    assert (adjuster.resampling, adjuster.scaling_proportions) == ("lanczos", "fit")
    assert (video.duration_seconds, video.cfg_scale) == (5, 0.5)


@pytest.mark.parametrize(
    ("schema", "field", "accepted", "refused"),
    [
        (CreateGenerationTask, "prompt", ["p"], [""]),
        (CreateGenerationTask, "origin_instance", ["a", "a" * 100], ["", "a" * 101]),
        (CreateGenerationTask, "origin_zone", [None, "a" * 50], ["a" * 51]),
        (
            CreateGenerationTask,
            "webhook_url",
            ["", "https://a.example/x"],
            ["ftp://a", "a.example"],
        ),
        (CreateGenerationTask, "priority", [-5, 0, 9], ["high", 2**31, 1.5]),
        (CreateGenerationTask, "width", [1, 16_384], [0, -1, 16_385]),
        (CreateGenerationTask, "seed", [0, 2**63 - 1], [-1, 2**63]),
        (CreateGenerationTask, "reference_image_strength", [0, 100], [-0.1, 100.1]),
        (CreateGenerationTask, "subject_lora_weight", [-1, 2.5], [float("nan"), float("inf")]),
        (CreateRefineTask, "upscale_factor", [1, 2.5, 16], [0, 0.5, 17]),
        (CreateRefineTask, "upscale_denoise", [0, 1], [-0.1, 1.1]),
        (CreateVideoGenerationTask, "duration_seconds", [1, 60], [0, 61]),
        (CreateVideoGenerationTask, "cfg_scale", [0, 2], [-0.1, 2.1]),
        (CreateBackgroundFixTask, "edge_blur_sigma", [0, 50], [-1]),
        (CreateBackgroundFixTask, "strategy", ["replace"], ["paint"]),
        (CreateBackgroundFixTask, "mask_expansion_percentage", [0, 1], [1.1]),
        (CreateImageAdjusterTask, "mode", ["auto", "crop", "pad", "scale"], ["stretch"]),
        (CreateImageAdjusterTask, "cropping_position", ["top", None], ["middle"]),
        (CreateImageAdjusterTask, "aspect_ratio", [0.8], [0, -1]),
        (CreateImageAdjusterTask, "tolerance", [0, 1], [-0.1, 1.1]),
        (CreateBackgroundRemovalTask, "input_image_paths", [["a", "b"]], [[], [""]]),
    ],
)
def test_bounds(
    schema: type[CreateTaskBase], field: str, accepted: list[object], refused: list[object]
) -> None:
    for value in accepted:
        assert getattr(_read(schema, **{field: value}), field) == value
    for value in refused:
        assert _refusal(schema, **{field: value})["loc"][0] == field


@pytest.mark.parametrize("task_type", list(TaskType))
def test_each_type_needs_its_origin_and_inputs(task_type: TaskType) -> None:
    with pytest.raises(ValidationError) as refusal:
        SCHEMAS[task_type].create.model_validate({})

    needed = {
        TaskType.GENERATION: {"prompt"},
        TaskType.EDITING: {"prompt", "base_image"},
        TaskType.REFINE: {"base_image_url"},
        TaskType.EXPERIMENTAL_FAL: {"fal_app_id"},
        TaskType.VIDEO_GENERATION: {"prompt"},
        TaskType.LLM_INTERACTION: {"prompt"},
        TaskType.BACKGROUND_REMOVE: {"input_image_paths"},
        TaskType.DETAIL_ENHANCER: {"base_image", "reference_image"},
        TaskType.BACKGROUND_FIX: {"base_image", "palette_image"},
        TaskType.IMAGE_ADJUSTER: {"input_image"},
        TaskType.FACE_ENHANCER: {"input_image"},
    }
    missing = {error["loc"][0] for error in refusal.value.errors()}
    assert missing == {"origin_instance"} | needed[task_type]


@pytest.mark.parametrize(
    "field", ["active_provider_capabilities", "fallback_provider_capabilities"]
)
def test_unknown_capability_is_refused_with_the_known_ones(field: str) -> None:
    error = _refusal(CreateRefineTask, **{field: ["UPSCALE_2X", "FLYING"]})

    assert error["loc"] == (field, 1)
    assert "'FLYING'" in error["msg"]
    assert all(capability.value in error["msg"] for capability in ProviderCapability)


def test_known_capabilities_stay_plain_strings() -> None:
    task = _read(CreateRefineTask, active_provider_capabilities=list(ProviderCapability))

    assert task.active_provider_capabilities == [known.value for known in ProviderCapability]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps: Input should be greater than"),
        ({"guidance_scale": "much"}, "guidance_scale: Input should be a valid number"),
        ({"num_images": 9}, "num_images: Input should be less than or equal to 8"),
    ],
)
def test_known_keys_of_a_generations_config_are_checked(
    config: dict[str, Any], complaint: str
) -> None:
    error = _refusal(CreateGenerationTask, config=config)

    assert error["loc"] == ("config",)
    assert complaint in error["msg"]


def test_other_keys_of_a_config_are_kept() -> None:
    config = {"num_images": 2, "backend_generation_id": "x", "nested": {"a": [1]}}

    assert _read(CreateGenerationTask, config=config).config == config
    assert _read(CreateRefineTask, config={"strict_checks": True}).config["strict_checks"]
    assert "strict_checks" in _refusal(CreateRefineTask, config={"strict_checks": 7})["msg"]


@pytest.mark.parametrize(
    ("schema", "fields", "complaint"),
    [
        (
            CreateGenerationTask,
            {"reference_image_url": IMAGE, "reference_image_data": "aGk="},
            "give reference_image_url or reference_image_data, not both",
        ),
        (
            CreateVideoGenerationTask,
            {"input_image_url": IMAGE, "input_image_data": "aGk="},
            "give input_image_url or input_image_data, not both",
        ),
        (
            CreateRefineTask,
            {"target_width": 64},
            "give target_width and target_height, both or neither",
        ),
        (
            CreateRefineTask,
            {"upscale_factor": None},
            "give upscale_factor, or target_width and target_height",
        ),
        (
            CreateBackgroundFixTask,
            {"shadow_threshold": 220},
            "shadow_threshold must be below light_threshold; they are 220 and 220",
        ),
        (
            CreateBackgroundFixTask,
            {"shadow_threshold": None, "light_threshold": 100},
            "shadow_threshold must be below light_threshold; they are 150 and 100",
        ),
        (
            CreateImageAdjusterTask,
            {"target_height": 64},
            "give target_width and target_height, both or neither",
        ),
        (
            CreateImageAdjusterTask,
            {"target_width": 64, "target_height": 64, "aspect_ratio": 1.0},
            "give aspect_ratio, or target_width and target_height",
        ),
        (
            CreateImageAdjusterTask,
            {"margin_left": 0.5, "margin_right": 0.5},
            "margin_left and margin_right must add up to less than 1; they add up to 1",
        ),
    ],
)
def test_fields_that_contradict_each_other_are_refused(
    schema: type[CreateTaskBase], fields: dict[str, Any], complaint: str
) -> None:
    error = _refusal(schema, **fields)

    assert error["type"] == "inconsistent_fields"
    assert complaint in error["msg"]
    assert set(error["ctx"]["fields"]) & fields.keys()


@pytest.mark.parametrize(
    "fields",
    [
        {"upscale_factor": None, "target_width": 64, "target_height": 64},
        {"upscale_factor": None, "upscale_enabled": False},
        {"upscale_factor": 2.5},
    ],
)
def test_refine_whose_size_is_known_is_accepted(fields: dict[str, Any]) -> None:
    assert fields.items() <= _read(CreateRefineTask, **fields).model_dump().items()


@settings(max_examples=up_to(50))
@given(shadow=st.integers(0, 255), light=st.integers(0, 255))
def test_shadow_is_always_darker_than_light(shadow: int, light: int) -> None:
    fields = {"shadow_threshold": shadow, "light_threshold": light}

    if shadow < light:
        assert _read(CreateBackgroundFixTask, **fields).shadow_threshold == shadow
    else:
        assert _refusal(CreateBackgroundFixTask, **fields)["type"] == "inconsistent_fields"
        # A replaced background is one colour: the thresholds do not matter.
        assert _read(CreateBackgroundFixTask, **fields, strategy="replace").light_threshold == light


def test_deprecated_images_of_an_editing_move_to_the_new_fields() -> None:
    task = CreateEditingTask.model_validate(
        {
            "origin_instance": "test",
            "prompt": "p",
            "base_image_url": IMAGE,
            "reference_image_data": "aGk=",
            "reference_image_url": "https://images.example.com/b.jpg",
        }
    )

    assert task.base_image == IMAGE
    assert task.reference_images == ["aGk=", "https://images.example.com/b.jpg"]


def test_new_fields_of_an_editing_win_over_deprecated_ones() -> None:
    task = _read(
        CreateEditingTask,
        base_image_url="https://images.example.com/old.jpg",
        reference_images=["new"],
        reference_image_url="old",
    )

    assert (task.base_image, task.reference_images) == (IMAGE, ["new"])


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("reference_image_url", {"reference_images": [IMAGE], "reference_image_url": ""}),
        ("reference_image_data", {"reference_images": [IMAGE], "reference_image_data": 7}),
        ("base_image_url", {"base_image_url": ""}),
        ("base_image_data", {"base_image_data": "", "base_image_url": IMAGE}),
        ("base_image", {"base_image": ""}),
        ("base_image", {"base_image": "", "base_image_url": IMAGE}),
        ("reference_images", {"reference_images": [""]}),
    ],
)
def test_images_of_an_editing_are_checked_even_where_another_field_wins(
    field: str, fields: dict[str, Any]
) -> None:
    assert _refusal(CreateEditingTask, **fields)["loc"][0] == field


def test_deprecated_images_of_an_editing_leave_nothing_behind() -> None:
    task = _read(CreateEditingTask, base_image_url=IMAGE, reference_image_url=IMAGE)

    assert (task.base_image_url, task.reference_image_url) == (None, None)
    assert "base_image_data" not in task.model_fields_set


def test_generation_update_keeps_only_what_was_sent() -> None:
    update = GenerationTaskUpdate.model_validate({"progress": 50, "task_type": "GENERATION"})

    assert update.model_dump(exclude_unset=True) == {"progress": 50, "task_type": "GENERATION"}
    with pytest.raises(ValidationError, match="reference_image_strength"):
        GenerationTaskUpdate.model_validate({"reference_image_strength": 101})


def parts_of(annotation: object) -> Iterator[type[BaseModel]]:
    """Return the models that a value of this type may contain."""
    annotation = getattr(annotation, "__value__", annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from parts_of(field.annotation)
    for argument in get_args(annotation):
        yield from parts_of(argument)


@pytest.mark.parametrize(
    "schema", [*(one.create for one in SCHEMAS.values()), CreateWorkflow, TrainingTaskCreate]
)
def test_no_part_of_a_request_takes_a_truth_value_for_a_number(schema: type[BaseModel]) -> None:
    lax = {part for part in parts_of(schema) if not issubclass(part, RequestModel)}
    assert not lax
