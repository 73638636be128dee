"""Example requests for every task type and provider that our own workers serve."""

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast, get_origin

from PIL import Image
from skimage.data import astronaut  # pyright: ignore[reportUnknownVariableType]

from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.task_types.table import TASK_TYPES
from shared.settings import ModelSettings

_astronaut = cast(Callable[[], Any], astronaut)
_PORTRAIT_PX = 512
_SMALL_PX = 128
_CLOTH, _WALL = "#b02030", "#d8c8b0"
_FEW_STEPS = {"num_inference_steps": 8}


@dataclass(frozen=True)
class TaskExample:
    """One example request.

    Attributes:
        task_type: type of the task.
        provider: provider of the task.
        fields: other fields of the request.
        pictures: picture fields; a list for fields with several pictures.
        place: where the work is done, beside the name on the sheet; empty: here.
        others: input pictures within other fields.
        variant: distinguishes examples of one type and provider.
    """

    task_type: TaskType
    provider: ProviderType
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    pictures: dict[str, Image.Image | list[Image.Image]] = field(
        default_factory=dict[str, "Image.Image | list[Image.Image]"]
    )
    place: str = ""
    others: tuple[Image.Image, ...] = ()
    variant: str = ""

    @property
    def name(self) -> str:
        """Unique name of the example, usable as a file name."""
        is_default = self.provider is TASK_TYPES[self.task_type].default_provider
        provider = "" if is_default else self.provider.value
        return "_".join(filter(None, (self.task_type.value.lower(), provider, self.variant)))

    @property
    def label(self) -> str:
        """The name, and the place of the work."""
        return f"{self.name} ({self.place})" if self.place else self.name

    @property
    def inputs(self) -> list[Image.Image]:
        """The input pictures."""
        given = [one for given in self.pictures.values() for one in _as_list(given)]
        return [*given, *self.others]

    @property
    def body(self) -> dict[str, Any]:
        """The request body, with its pictures as data URLs."""
        encoded = {
            name: [data_url(one) for one in given] if isinstance(given, list) else data_url(given)
            for name, given in self.pictures.items()
        }
        origin = {"task_type": self.task_type.value, "origin_instance": "local-demo"}
        is_default = self.provider is TASK_TYPES[self.task_type].default_provider
        provider = {} if is_default else {"provider_type": self.provider.value}
        return origin | provider | self.fields | encoded


def generation(seed: int) -> TaskExample:
    """Return the first example; others use its result."""
    side_px = ModelSettings().native_side_px
    fields = {"prompt": "a red dress", "width": side_px, "height": side_px, "seed": seed}
    return TaskExample(TaskType.GENERATION, ProviderType.LOCAL, fields)


def portrait_of(side_px: int) -> Image.Image:
    """Return a square photograph of a person."""
    return Image.fromarray(_astronaut()).resize((side_px, side_px), Image.Resampling.BICUBIC)


def others(generated: Image.Image, seed: int) -> list[TaskExample]:
    """Return all other examples.

    Args:
        generated: result of the first example.
        seed: seed of edits and refinements.
    """
    portrait = portrait_of(_PORTRAIT_PX)
    small = portrait.resize((_SMALL_PX, _SMALL_PX), Image.Resampling.LANCZOS)
    cloth, wall = (Image.new("RGB", (64, 64), colour) for colour in (_CLOTH, _WALL))
    upscale: dict[str, Any] = {"upscale_factor": 2, "upscale_steps": 8, "upscale_seed": seed}
    local = ProviderType.LOCAL
    explicit = [
        TaskExample(
            TaskType.EDITING,
            local,
            {"prompt": "make it blue", "seed": seed},
            {"base_image": generated},
        ),
        TaskExample(TaskType.REFINE, local, upscale, {"base_image_url": generated}),
        TaskExample(
            TaskType.REFINE,
            ProviderType.SARTIQ_ULTIMATE_REFINER,
            upscale,
            {"base_image_url": small},
        ),
        TaskExample(
            TaskType.FACE_ENHANCER,
            ProviderType.SARTIQ_ULTIMATE_FACE_FIXER,
            {"config": _FEW_STEPS},
            {"input_image": portrait},
        ),
        TaskExample(
            TaskType.DETAIL_ENHANCER,
            ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER,
            {"detail_label": "jacket", "config": _FEW_STEPS},
            {"base_image": portrait, "reference_image": cloth},
        ),
        TaskExample(
            TaskType.BACKGROUND_FIX,
            local,
            {"strategy": "replace", "edge_blur_sigma": 4},
            {"base_image": portrait, "palette_image": wall},
        ),
        TaskExample(
            TaskType.IMAGE_ADJUSTER,
            local,
            {"mode": "scale", "target_width": 320, "target_height": 400, "margin_top": 0.15},
            {"input_image": portrait},
        ),
    ]
    known = {one.task_type for one in explicit}
    return [
        *explicit,
        *(one for one in _with_pictures_only(portrait, generated) if one.task_type not in known),
    ]


def _with_pictures_only(one: Image.Image, another: Image.Image) -> Iterator[TaskExample]:
    """Yield an example for each type whose required fields are all pictures.

    A field with several pictures gets both.
    """
    for task_type, row in TASK_TYPES.items():
        needed = {name: f for name, f in row.inputs.model_fields.items() if f.is_required()}
        if row.local_queue and needed.keys() <= {field.name for field in row.pictures}:
            pictures = {
                name: [one, another] if get_origin(field.annotation) is list else one
                for name, field in needed.items()
            }
            yield TaskExample(task_type, ProviderType.LOCAL, pictures=pictures)


def _as_list(given: Image.Image | list[Image.Image]) -> list[Image.Image]:
    return given if isinstance(given, list) else [given]


def data_url(picture: Image.Image) -> str:
    """Return a picture as a PNG in a data URL."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
