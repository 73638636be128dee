"""The one table from request fields to the capabilities that a provider needs for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.enums import ProviderCapability as Cap
from shared.contracts.enums import TaskType

LORA_FIELDS = (
    "subject_model_path",
    "product_model_path",
    "style_model_path",
    "product2_model_path",
)


def lora_weight_field(model_field: str) -> str:
    """The field that says how strongly the LoRA of a field acts."""
    return model_field.replace("_model_path", "_lora_weight")


LORA_OBJECTS = "lora_objects"
"""The input that says which object each of a task's LoRAs is, by field: the gateway resolves names
when the task is created, so that a LoRA that is replaced later changes no task."""
_FIXED_UPSCALES = {
    2.0: Cap.UPSCALE_2X,
    4.0: Cap.UPSCALE_4X,
    8.0: Cap.UPSCALE_8X,
    16.0: Cap.UPSCALE_16X,
}


@dataclass(frozen=True)
class Need:
    """One field's demand: any of the capabilities satisfies it."""

    field: str
    any_of: frozenset[Cap]


def needed_capabilities(task_type: TaskType, fields: Mapping[str, Any]) -> list[Need]:
    """What a request needs of its provider.

    Args:
        task_type: the task's type.
        fields: the type's own request fields, `config` among them.
    """
    if task_type == TaskType.GENERATION:
        return _generation(fields)
    if task_type == TaskType.REFINE:
        return _refine(fields)
    if task_type == TaskType.EDITING:
        return _editing(fields)
    if task_type == TaskType.VIDEO_GENERATION:
        return _video(fields)
    if task_type == TaskType.LLM_INTERACTION and fields.get("input_images"):
        return [Need("input_images", frozenset({Cap.VISION}))]
    return []


def _generation(fields: Mapping[str, Any]) -> list[Need]:
    loras = [name for name in LORA_FIELDS if fields.get(name)]
    needs = [Need(loras[0], frozenset({Cap.LORA}))] if loras else []
    if len(loras) > 1:
        needs.append(Need(loras[1], frozenset({Cap.MULTI_LORA})))
    for name in ("reference_image_url", "reference_image_data"):
        if fields.get(name):
            needs.append(Need(name, frozenset({Cap.REFERENCE_IMAGE})))
    if fields.get("seed") is not None:
        needs.append(Need("seed", frozenset({Cap.SEED})))
    config: Mapping[str, Any] = fields.get("config") or {}
    if config.get("negative_prompt"):
        needs.append(Need("config", frozenset({Cap.NEGATIVE_PROMPT})))
    return needs


def _editing(fields: Mapping[str, Any]) -> list[Need]:
    references = fields.get("reference_images")
    needs: list[Need] = []
    if references:
        is_one = references == "mapped" or len(references) == 1
        needed = Cap.REFERENCE_IMAGE if is_one else Cap.MULTI_REFERENCE
        needs.append(Need("reference_images", frozenset({needed})))
    if fields.get("seed") is not None:
        needs.append(Need("seed", frozenset({Cap.SEED})))
    return needs


def _video(fields: Mapping[str, Any]) -> list[Need]:
    for name in ("input_image_url", "input_image_data"):
        if fields.get(name):
            return [Need(name, frozenset({Cap.IMAGE_TO_VIDEO}))]
    return [Need("prompt", frozenset({Cap.TEXT_TO_VIDEO}))]


def _refine(fields: Mapping[str, Any]) -> list[Need]:
    needs: list[Need] = []
    if fields.get("face_detail_enabled"):
        needs.append(Need("face_detail_enabled", frozenset({Cap.FACE_DETAIL})))
    if not fields.get("upscale_enabled", True):
        return needs
    factor = fields.get("upscale_factor")
    if isinstance(factor, int | float):
        fixed = _FIXED_UPSCALES.get(float(factor))
        any_of = {Cap.UPSCALE_FLOAT, fixed} if fixed else {Cap.UPSCALE_FLOAT}
        needs.append(Need("upscale_factor", frozenset(any_of)))
    elif fields.get("target_width"):
        needs.append(Need("target_width", frozenset({Cap.OUTPUT_SIZE})))
    return needs
