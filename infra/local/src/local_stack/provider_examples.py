"""Example requests for every task that outside providers do, or have a part in."""

from typing import Any

from PIL import Image

from local_stack.sandbox import NAME, SHOOTIFY_APP
from local_stack.task_examples import TaskExample, data_url, portrait_of
from shared.contracts.enums import AiProvider, ProviderType, TaskType

_FACE_PX, _PORTRAIT_PX, _SMALL_PX = 512, 384, 192
_CLOTH = "#b02030"
_QUESTION = "Describe the picture in one sentence."
_FAL, _VERTEX = ProviderType.FAL_STANDARD, ProviderType.VERTEX
_LOOK = {
    "type": "object",
    "properties": {
        "garment": {"type": "string"},
        "colour": {"type": "string"},
        "sleeves": {"enum": ["none", "short", "long"]},
        "number_of_people": {"type": "integer", "minimum": 1, "maximum": 3},
    },
    "required": ["garment", "colour", "sleeves", "number_of_people"],
    "additionalProperties": False,
}
_MODELS = {
    AiProvider.OPENAI: "gpt-4.1",
    AiProvider.ANTHROPIC: "claude-sonnet-4-6",
    AiProvider.GEMINI: "gemini-3.1-pro-preview",
    AiProvider.OLLAMA: "llava",
}


def provider_examples(seed: int) -> list[TaskExample]:
    """Return one example of each task and provider.

    Args:
        seed: of the results.
    """
    portrait, small = portrait_of(_PORTRAIT_PX), portrait_of(_SMALL_PX)
    cloth = Image.new("RGB", (128, 128), _CLOTH)
    return [
        *_at_fal(portrait, small, cloth, seed),
        *_elsewhere(portrait, small, cloth),
        *_at_google(portrait, small, cloth, seed),
        *_by_language_models(portrait),
        *_with_remote_editor(small, cloth, seed),
    ]


def _at_fal(
    portrait: Image.Image, small: Image.Image, cloth: Image.Image, seed: int
) -> list[TaskExample]:
    shootify = {"provider_type": "fal_shootify_refiner", "fal_app_id": SHOOTIFY_APP}
    app: dict[str, Any] = {"prompt": "a red dress", "image_url": data_url(small), "seed": seed}
    return [
        _example(
            TaskType.GENERATION,
            _FAL,
            {"prompt": "a red dress", "width": 384, "height": 512, "seed": seed},
        ),
        _example(
            TaskType.EDITING,
            _FAL,
            {"prompt": "make it blue", "width": 384, "height": 512, "seed": seed},
            base_image=portrait,
        ),
        _example(
            TaskType.REFINE, _FAL, {"upscale_factor": 2, "upscale_seed": seed}, base_image_url=small
        ),
        _example(
            TaskType.VIDEO_GENERATION,
            _FAL,
            {"prompt": "she turns", "duration_seconds": 5},
            input_image_data=portrait,
        ),
        TaskExample(
            TaskType.EXPERIMENTAL_FAL,
            _FAL,
            {"fal_app_id": "fal-ai/flux/dev/image-to-image", "fal_parameters": app},
            place=NAME,
            others=(small,),
        ),
        _example(
            TaskType.REFINE,
            ProviderType.FAL_SHOOTIFY_REFINER,
            {"upscale_factor": 2, "provider_config": shootify},
            base_image_url=small,
        ),
        _example(
            TaskType.DETAIL_ENHANCER,
            ProviderType.FAL_GARMENT_FIXER,
            {"detail_label": "jacket"},
            base_image=portrait,
            reference_image=cloth,
        ),
    ]


def _elsewhere(portrait: Image.Image, small: Image.Image, cloth: Image.Image) -> list[TaskExample]:
    upscale = {"upscale_factor": 2}
    return [
        _example(
            TaskType.EDITING,
            ProviderType.FASHN_STANDARD,
            {"prompt": "wear the garment"},
            base_image=portrait,
            reference_images=[cloth],
        ),
        _example(TaskType.REFINE, ProviderType.FREEPIK_MAGNIFIC, upscale, base_image_url=small),
        _example(
            TaskType.REFINE,
            ProviderType.FREEPIK_MAGNIFIC_PRECISION,
            upscale,
            base_image_url=small,
        ),
    ]


def _at_google(
    portrait: Image.Image, small: Image.Image, cloth: Image.Image, seed: int
) -> list[TaskExample]:
    options = {"provider_type": "vertex", "image_size": "1K"}
    wanted = {"width": 384, "height": 512, "seed": seed, "provider_config": options}
    return [
        _example(TaskType.GENERATION, _VERTEX, {"prompt": "a green coat", **wanted}),
        _example(
            TaskType.EDITING,
            _VERTEX,
            {"prompt": "make it blue", **wanted},
            base_image=portrait,
            reference_images=[cloth],
        ),
        _example(
            TaskType.LLM_INTERACTION,
            _VERTEX,
            {"prompt": _QUESTION},
            input_images=[portrait],
        ),
        _example(
            TaskType.REFINE,
            ProviderType.NANO_BANANA_UPSCALER,
            {"upscale_factor": 2, "upscale_seed": seed},
            base_image_url=small,
        ),
    ]


def _by_language_models(portrait: Image.Image) -> list[TaskExample]:
    return [
        _example(
            TaskType.LLM_INTERACTION,
            ProviderType.AI_CORE,
            {
                "prompt": "What is worn?",
                "config": {"output_schema": _LOOK},
                "provider_config": {
                    "provider_type": "ai_core",
                    "ai_provider": vendor.value,
                    "model": model,
                },
            },
            variant=vendor.value,
            input_images=[portrait],
        )
        for vendor, model in _MODELS.items()
    ]


def _with_remote_editor(small: Image.Image, cloth: Image.Image, seed: int) -> list[TaskExample]:
    """Return examples of our own refiner and fixers, whose tiles and details Gemini edits."""
    portrait, editor = portrait_of(_FACE_PX), {"config": {"editor": "vertex"}}
    return [
        _example(
            TaskType.REFINE,
            ProviderType.SARTIQ_ULTIMATE_REFINER,
            {"upscale_factor": 2, "upscale_seed": seed, **editor},
            variant=_VERTEX.value,
            base_image_url=small,
        ),
        _example(
            TaskType.FACE_ENHANCER,
            ProviderType.SARTIQ_ULTIMATE_FACE_FIXER,
            editor,
            variant=_VERTEX.value,
            input_image=portrait,
        ),
        _example(
            TaskType.DETAIL_ENHANCER,
            ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER,
            {"detail_label": "jacket", **editor},
            variant=_VERTEX.value,
            base_image=portrait,
            reference_image=cloth,
        ),
    ]


def _example(
    task_type: TaskType,
    provider: ProviderType,
    fields: dict[str, Any],
    *,
    variant: str = "",
    **pictures: Image.Image | list[Image.Image],
) -> TaskExample:
    return TaskExample(task_type, provider, fields, pictures, place=NAME, variant=variant)
