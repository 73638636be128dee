"""A request of every task type that our own workers serve, by each of our own providers."""

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
    """One request.

    Attributes:
        task_type: what is done.
        provider: who does it.
        fields: the request's other fields.
        pictures: fields that hold pictures; a list where the field holds several.
    """

    task_type: TaskType
    provider: ProviderType
    fields: dict[str, Any] = field(default_factory=dict[str, Any])
    pictures: dict[str, Image.Image | list[Image.Image]] = field(
        default_factory=dict[str, "Image.Image | list[Image.Image]"]
    )

    @property
    def name(self) -> str:
        """Its own among the examples, as a file may be called."""
        is_usual = self.provider is TASK_TYPES[self.task_type].default_provider
        usual = self.task_type.value.lower()
        return usual if is_usual else f"{usual}_{self.provider.value}"

    @property
    def inputs(self) -> list[Image.Image]:
        """The pictures that go in."""
        return [one for given in self.pictures.values() for one in _as_list(given)]

    @property
    def body(self) -> dict[str, Any]:
        """The request, with its pictures inside."""
        encoded = {
            name: [_data_url(one) for one in given] if isinstance(given, list) else _data_url(given)
            for name, given in self.pictures.items()
        }
        origin = {"task_type": self.task_type.value, "origin_instance": "local-demo"}
        is_usual = self.provider is TASK_TYPES[self.task_type].default_provider
        provider = {} if is_usual else {"provider_type": self.provider.value}
        return origin | provider | self.fields | encoded


def generation(seed: int) -> TaskExample:
    """The first: what it makes goes into others."""
    side_px = ModelSettings().native_side_px
    fields = {"prompt": "a red dress", "width": side_px, "height": side_px, "seed": seed}
    return TaskExample(TaskType.GENERATION, ProviderType.LOCAL, fields)


def others(made: Image.Image, seed: int) -> list[TaskExample]:
    """All others.

    Args:
        made: what the generation gave.
        seed: of what is edited.
    """
    portrait = Image.fromarray(_astronaut()).resize((_PORTRAIT_PX, _PORTRAIT_PX))
    small = portrait.resize((_SMALL_PX, _SMALL_PX), Image.Resampling.LANCZOS)
    cloth, wall = (Image.new("RGB", (64, 64), colour) for colour in (_CLOTH, _WALL))
    upscale: dict[str, Any] = {"upscale_factor": 2, "upscale_steps": 8, "upscale_seed": seed}
    local = ProviderType.LOCAL
    spelled = [
        TaskExample(
            TaskType.EDITING, local, {"prompt": "make it blue", "seed": seed}, {"base_image": made}
        ),
        TaskExample(TaskType.REFINE, local, upscale, {"base_image_url": made}),
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
    known = {one.task_type for one in spelled}
    return [
        *spelled,
        *(one for one in _of_pictures_alone(portrait, made) if one.task_type not in known),
    ]


def _of_pictures_alone(one: Image.Image, another: Image.Image) -> Iterator[TaskExample]:
    """A request of each type that needs nothing but pictures; both, where a field takes several."""
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


def _data_url(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
