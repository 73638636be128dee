"""Example requests for every task that outside providers do, by the providers' sandbox."""

from typing import Any

from PIL import Image

from local_stack.sandbox import NAME, SHOOTIFY_APP
from local_stack.task_examples import TaskExample, data_url, portrait_of
from shared.contracts.enums import ProviderType, TaskType

_PORTRAIT_PX, _SMALL_PX = 384, 192
_CLOTH = "#b02030"
_FAL = ProviderType.FAL_STANDARD


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
        *_at_google(portrait, cloth, seed),
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


def _at_google(portrait: Image.Image, cloth: Image.Image, seed: int) -> list[TaskExample]:
    size = {"width": 896, "height": 1200, "seed": seed}
    config = {"provider_config": {"provider_type": "vertex", "image_size": "1K"}}
    return [
        _example(
            TaskType.GENERATION, ProviderType.VERTEX, {"prompt": "a red dress"} | size | config
        ),
        _example(
            TaskType.EDITING,
            ProviderType.VERTEX,
            {"prompt": "dress her in the second picture's cloth"} | size | config,
            base_image=portrait,
            reference_images=[cloth],
        ),
        _example(
            TaskType.LLM_INTERACTION,
            ProviderType.VERTEX,
            {"prompt": "What is she wearing?"},
            input_images=[portrait],
        ),
    ]


def _example(
    task_type: TaskType,
    provider: ProviderType,
    fields: dict[str, Any],
    **pictures: Image.Image | list[Image.Image],
) -> TaskExample:
    return TaskExample(task_type, provider, fields, pictures, place=NAME)
