"""Valid requests without an effect: their result is the input image. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from shared.contracts.enums import TaskType

_TARGETS = (
    "aspect_ratio",
    "target_width",
    "reference_image",
    "margin_top",
    "margin_bottom",
    "margin_left",
    "margin_right",
)


def no_effect_warnings(
    task_type: TaskType, inputs: Mapping[str, Any], mapped: frozenset[str]
) -> list[str]:
    """Return a warning if a request has no effect.

    Args:
        task_type: the task's type.
        inputs: the task's inputs, completed.
        mapped: names of inputs that an earlier step will give.
    """
    check = _CHECKS.get(task_type)
    said = check(inputs, mapped) if check else None
    return [said] if said else []


def _adjuster(inputs: Mapping[str, Any], mapped: frozenset[str]) -> str | None:
    if any(name in mapped or inputs.get(name) for name in _TARGETS):
        return None
    return (
        "The image stays unchanged: no target is given. Give aspect_ratio, target_width and "
        "target_height, a margin, or reference_image."
    )


def _refine(inputs: Mapping[str, Any], mapped: frozenset[str]) -> str | None:
    if inputs.get("face_detail_enabled") or "face_detail_enabled" in mapped:
        return None
    is_enlarged = inputs.get("upscale_enabled", True) and inputs.get("upscale_factor") != 1
    if is_enlarged or "upscale_enabled" in mapped or inputs.get("upscale_denoise") != 0:
        return None
    return (
        "The image stays unchanged: it keeps its size, and upscale_denoise is 0. Give an "
        "upscale_factor above 1, or a denoise strength above 0."
    )


_CHECKS: dict[TaskType, Callable[[Mapping[str, Any], frozenset[str]], str | None]] = {
    TaskType.IMAGE_ADJUSTER: _adjuster,
    TaskType.REFINE: _refine,
}
