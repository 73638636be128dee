"""The fields that apps for GENERATION and for EDITING share."""

from collections.abc import Mapping
from typing import Any

from provider_worker.fal.convert.call import SEED_BOUND, stated
from provider_worker.ratios import nearest_ratio
from shared.contracts.fal_apps.app import PictureApp, Sizing, Takes
from shared.contracts.generation import GenerationConfig
from shared.contracts.options import as_sent


class PictureConfig(GenerationConfig, extra="allow"):
    """Keys of `config`; those that an app takes unchanged are extra ones."""


def size_fields(app: PictureApp, width: int, height: int) -> dict[str, Any]:
    """Return the field with the size of the result, as the app takes it."""
    match app.sizing:
        case Sizing.IMAGE_SIZE:
            return {app.sizing.value: {"width": width, "height": height}}
        case Sizing.ASPECT_RATIO | Sizing.RESOLUTION_MODE:
            return {app.sizing.value: nearest_ratio(width, height, app.ratios)}
        case None:
            return {}


def general_fields(app: PictureApp, seed: int, config: PictureConfig) -> dict[str, Any]:
    """Return the fields of the seed and of `config` that the app takes."""
    general = {
        Takes.SEED: seed % SEED_BOUND,
        Takes.NUM_IMAGES: config.num_images,
        Takes.STEPS: config.num_inference_steps,
        Takes.GUIDANCE: config.guidance_scale,
        Takes.NEGATIVE_PROMPT: config.negative_prompt or None,
        Takes.OUTPUT_FORMAT: config.output_format.value,
    }
    own: Mapping[str, Any] = config.model_extra or {}
    return stated(
        {name.value: value for name, value in general.items() if name in app.takes}
        | {name: as_sent(option, own.get(name)) for name, option in app.config.items()}
    )


def ignored_fields(app: PictureApp, config: PictureConfig) -> list[str]:
    """Return the fields of a task for which the app has no place."""
    places = {
        "seed": Takes.SEED,
        "config.num_inference_steps": Takes.STEPS,
        "config.guidance_scale": Takes.GUIDANCE,
        "config.negative_prompt": Takes.NEGATIVE_PROMPT,
    }
    ignored = ["width", "height"] if app.sizing is None else []
    for name, place in places.items():
        is_given = name == "seed" or getattr(config, place.value) not in (None, "")
        if is_given and place not in app.takes:
            ignored.append(name)
    return ignored
