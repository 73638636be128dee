"""The conversion of each task that fal does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from provider_worker.fal.convert.app import app_call, app_objects
from provider_worker.fal.convert.call import FalCall, NeededObjects, Sources
from provider_worker.fal.convert.editing import editing_call, editing_objects
from provider_worker.fal.convert.garment import (
    garment_call,
    garment_objects,
    shootify_call,
    shootify_objects,
)
from provider_worker.fal.convert.generation import generation_call, generation_objects
from provider_worker.fal.convert.refine import refine_call, refine_objects
from provider_worker.fal.convert.video import video_call, video_objects
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.submissions import RemoteWork


@dataclass(frozen=True)
class _Conversion:
    objects: Callable[[RemoteWork], NeededObjects]
    call: Callable[[RemoteWork, Sources], FalCall]


CONVERSIONS: Mapping[tuple[ProviderType, TaskType], _Conversion] = {
    (ProviderType.FAL_STANDARD, TaskType.GENERATION): _Conversion(
        generation_objects, generation_call
    ),
    (ProviderType.FAL_STANDARD, TaskType.EDITING): _Conversion(editing_objects, editing_call),
    (ProviderType.FAL_STANDARD, TaskType.REFINE): _Conversion(refine_objects, refine_call),
    (ProviderType.FAL_STANDARD, TaskType.VIDEO_GENERATION): _Conversion(video_objects, video_call),
    (ProviderType.FAL_STANDARD, TaskType.EXPERIMENTAL_FAL): _Conversion(app_objects, app_call),
    (ProviderType.FAL_SHOOTIFY_REFINER, TaskType.REFINE): _Conversion(
        shootify_objects, shootify_call
    ),
    (ProviderType.FAL_GARMENT_FIXER, TaskType.DETAIL_ENHANCER): _Conversion(
        garment_objects, garment_call
    ),
}
"""By provider and task type; the keys are what fal's adapter serves."""


def needed_objects(work: RemoteWork) -> NeededObjects:
    """Return the stored objects that the request refers to.

    Raises:
        InvalidInputError: the task's inputs are incomplete.
    """
    return CONVERSIONS[work.provider_type, work.task_type].objects(work)


def fal_call(
    work: RemoteWork,
    urls: Mapping[str, str],
    *,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    garment_app: str = "",
    shootify_names: Mapping[str, str] | None = None,
) -> FalCall:
    """Convert a task to a fal app and its input.

    Args:
        work: the task.
        urls: a URL for each of its `needed_objects`.
        sizes: width and height of each picture among them that is `sized`.
        garment_app: the app of `fal_garment_fixer`; empty if the worker has none.
        shootify_names: names of REST fields in the app of `fal_shootify_refiner`, where they
            differ; an empty name leaves the field out.

    Raises:
        InvalidInputError: the task's inputs are incomplete, or name no valid app.
        UnservedError: the worker has no app for the task.
    """
    sources = Sources(urls, sizes or {}, garment_app, shootify_names or {})
    return CONVERSIONS[work.provider_type, work.task_type].call(work, sources)
