"""Which inputs of each task type hold pictures, and under which names they are answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.enums import TaskType


@dataclass(frozen=True)
class PictureField:
    """One input that holds a picture, or a list of them.

    Attributes:
        name: the input; it holds object keys, or URLs that have not been fetched yet.
        answered_as: the name in answers.
        aliases: request fields that mean the same.
    """

    name: str
    answered_as: str
    aliases: tuple[str, ...] = ()


PICTURE_FIELDS: dict[TaskType, tuple[PictureField, ...]] = {
    TaskType.GENERATION: (
        PictureField("reference_image_url", "reference_image_path", ("reference_image_data",)),
    ),
    TaskType.EDITING: (
        PictureField("base_image", "base_image_path"),
        PictureField("reference_images", "reference_images"),
    ),
    TaskType.REFINE: (PictureField("base_image_url", "base_image_path"),),
    TaskType.EXPERIMENTAL_FAL: (),
    TaskType.VIDEO_GENERATION: (
        PictureField("input_image_url", "input_image_path", ("input_image_data",)),
    ),
    TaskType.LLM_INTERACTION: (PictureField("input_images", "input_images"),),
    TaskType.BACKGROUND_REMOVE: (PictureField("input_image_paths", "input_image_paths"),),
    TaskType.DETAIL_ENHANCER: (
        PictureField("base_image", "base_image_path"),
        PictureField("reference_image", "reference_image_path"),
    ),
    TaskType.BACKGROUND_FIX: (
        PictureField("base_image", "base_image_path"),
        PictureField("palette_image", "palette_image_path"),
    ),
    TaskType.IMAGE_ADJUSTER: (
        PictureField("input_image", "input_image_path"),
        PictureField("reference_image", "reference_image_path"),
    ),
    TaskType.FACE_ENHANCER: (PictureField("input_image", "input_image_path"),),
}

OUTPUT_FOLDERS: dict[TaskType, str] = {
    TaskType.GENERATION: "generations",
    TaskType.EDITING: "editings",
    TaskType.REFINE: "refines",
    TaskType.EXPERIMENTAL_FAL: "experimental_fal",
    TaskType.VIDEO_GENERATION: "videos",
    TaskType.LLM_INTERACTION: "llm_interactions",
    TaskType.BACKGROUND_REMOVE: "background_removals",
    TaskType.DETAIL_ENHANCER: "detail_enhancers",
    TaskType.BACKGROUND_FIX: "background_fixes",
    TaskType.IMAGE_ADJUSTER: "image_adjusters",
    TaskType.FACE_ENHANCER: "face_enhancers",
}
"""The first part of the keys of a task's objects."""

TILED_TYPES = frozenset({TaskType.REFINE, TaskType.DETAIL_ENHANCER, TaskType.FACE_ENHANCER})
"""Task types whose finished tiles are kept beside the attempts, for a later one to find."""


FAL_OBJECTS = "fal_objects"
"""The input of an EXPERIMENTAL_FAL that lists those strings among its `fal_parameters` which are
keys of objects that the client may read. The gateway alone writes it; a worker reads no others."""


def is_remote(value: object) -> bool:
    """Whether a picture is still somewhere else."""
    return isinstance(value, str) and value.lower().startswith(("http://", "https://"))


def remote_pictures(task_type: TaskType, inputs: Mapping[str, Any]) -> dict[str, str]:
    """The URLs among a task's pictures, each once, in order, and where they first stand."""
    found: dict[str, str] = {}
    for field in PICTURE_FIELDS[task_type]:
        value: Any = inputs.get(field.name)
        named: list[tuple[str, Any]] = [(field.name, value)]
        if isinstance(value, list):
            named = [(f"{field.name}.{place}", item) for place, item in enumerate(value)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] -- JSON
        for name, item in named:
            if is_remote(item):
                found.setdefault(str(item), name)
    return found


def replace_pictures(
    task_type: TaskType, inputs: Mapping[str, Any], keys: Mapping[str, str]
) -> dict[str, Any]:
    """The picture fields that change when URLs become object keys."""
    changed: dict[str, Any] = {}
    for field in PICTURE_FIELDS[task_type]:
        value = inputs.get(field.name)
        if isinstance(value, list):
            replaced: Any = [_replaced(item, keys) for item in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] -- JSON
        else:
            replaced = _replaced(value, keys)
        if replaced != value:
            changed[field.name] = replaced
    return changed


def _replaced(value: object, keys: Mapping[str, str]) -> object:
    # What a step maps into a picture may be anything.
    return keys.get(value, value) if isinstance(value, str) else value
