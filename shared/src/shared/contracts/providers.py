"""The provider registry: the task types, queues and capabilities of each provider."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.contracts.editors import EditorKind
from shared.contracts.enums import AnswerMode, ProviderType, TaskQueue, TaskType
from shared.contracts.enums import ProviderCapability as Cap
from shared.contracts.fal_apps.table import app_capabilities, has_apps, named_app
from shared.contracts.task_types.table import TASK_TYPES

_UPSCALES = frozenset({Cap.UPSCALE_2X, Cap.UPSCALE_4X, Cap.UPSCALE_8X, Cap.UPSCALE_FLOAT})
_MAGNIFIC = frozenset({Cap.UPSCALE_2X, Cap.UPSCALE_4X, Cap.UPSCALE_8X, Cap.UPSCALE_16X})
_IMPLIED = {Cap.MULTI_LORA: Cap.LORA, Cap.MULTI_REFERENCE: Cap.REFERENCE_IMAGE}


@dataclass(frozen=True)
class Provider:
    """One row of the registry.

    Attributes:
        queues: task queue by task type; its keys are the types served.
        capabilities: of the provider over all its task types and apps, including implied ones.
            A check of one task asks `capabilities_of`.
        answers: the way in which it responds to a submission; none for our own workers.
    """

    queues: dict[TaskType, TaskQueue]
    capabilities: frozenset[Cap]
    answers: AnswerMode | None = None

    @property
    def is_remote(self) -> bool:
        """True if its work is submitted to an outside service, which charges for it."""
        return self.answers is not None


def _row(
    queue: TaskQueue,
    types: Iterable[TaskType],
    capabilities: Iterable[Cap] = (),
    *,
    answers: AnswerMode | None = None,
) -> Provider:
    stated = frozenset(capabilities)
    implied = {_IMPLIED[capability] for capability in stated & _IMPLIED.keys()}
    return Provider(dict.fromkeys(types, queue), stated | implied, answers)


_LOCAL = Provider(
    queues={name: row.local_queue for name, row in TASK_TYPES.items() if row.local_queue},
    capabilities=_UPSCALES
    | {
        Cap.LORA,
        Cap.MULTI_LORA,
        Cap.REFERENCE_IMAGE,
        Cap.MULTI_REFERENCE,
        Cap.NEGATIVE_PROMPT,
        Cap.SEED,
        Cap.OUTPUT_SIZE,
        Cap.FACE_DETAIL,
    },
)

PROVIDERS: dict[ProviderType, Provider] = {
    ProviderType.LOCAL: _LOCAL,
    ProviderType.SARTIQ_ULTIMATE_REFINER: _row(
        TaskQueue.INFERENCE, [TaskType.REFINE], _UPSCALES | {Cap.OUTPUT_SIZE}
    ),
    ProviderType.SARTIQ_ULTIMATE_FACE_FIXER: _row(TaskQueue.INFERENCE, [TaskType.FACE_ENHANCER]),
    ProviderType.SARTIQ_ULTIMATE_GARMENT_FIXER: _row(
        TaskQueue.INFERENCE, [TaskType.DETAIL_ENHANCER]
    ),
    ProviderType.NANO_BANANA_UPSCALER: _row(
        TaskQueue.INFERENCE_CPU,  # our refiner, whose tile is edited by runs of `vertex`
        [TaskType.REFINE],
        [Cap.OUTPUT_SIZE, Cap.UPSCALE_2X, Cap.UPSCALE_4X, Cap.UPSCALE_FLOAT],
    ),
    ProviderType.VERTEX: _row(
        TaskQueue.PROVIDER_VERTEX,
        [TaskType.GENERATION, TaskType.EDITING, TaskType.LLM_INTERACTION],
        [Cap.MULTI_REFERENCE, Cap.ASPECT_RATIO, Cap.VISION, Cap.SEED],
        answers=AnswerMode.AT_ONCE,
    ),
    ProviderType.FAL_STANDARD: _row(
        TaskQueue.PROVIDER_FAL,
        [
            TaskType.GENERATION,
            TaskType.EDITING,
            TaskType.VIDEO_GENERATION,
            TaskType.EXPERIMENTAL_FAL,
            TaskType.REFINE,
        ],
        [
            Cap.MULTI_LORA,
            Cap.REFERENCE_IMAGE,
            Cap.SEED,
            Cap.OUTPUT_SIZE,
            Cap.IMAGE_TO_VIDEO,
            Cap.TEXT_TO_VIDEO,
            Cap.NEGATIVE_PROMPT,
        ],
        answers=AnswerMode.QUEUED,
    ),
    ProviderType.FAL_SHOOTIFY_REFINER: _row(
        TaskQueue.PROVIDER_FAL,
        [TaskType.REFINE],
        [Cap.UPSCALE_2X, Cap.UPSCALE_4X, Cap.UPSCALE_FLOAT, Cap.FACE_DETAIL, Cap.SEED],
        answers=AnswerMode.QUEUED,
    ),
    ProviderType.FAL_GARMENT_FIXER: _row(
        TaskQueue.PROVIDER_FAL, [TaskType.DETAIL_ENHANCER], answers=AnswerMode.QUEUED
    ),
    ProviderType.FASHN_STANDARD: _row(
        TaskQueue.PROVIDER_FASHN,
        [TaskType.EDITING],
        [Cap.REFERENCE_IMAGE, Cap.SEED],
        answers=AnswerMode.QUEUED,
    ),
    ProviderType.FREEPIK_MAGNIFIC: _row(
        TaskQueue.PROVIDER_FREEPIK, [TaskType.REFINE], _MAGNIFIC, answers=AnswerMode.QUEUED
    ),
    ProviderType.FREEPIK_MAGNIFIC_PRECISION: _row(
        TaskQueue.PROVIDER_FREEPIK, [TaskType.REFINE], _MAGNIFIC, answers=AnswerMode.QUEUED
    ),
    ProviderType.AI_CORE: _row(
        TaskQueue.PROVIDER_LLM,
        [TaskType.LLM_INTERACTION],
        [Cap.VISION],
        answers=AnswerMode.AT_ONCE,
    ),
}

REQUEST_ID_FIELDS: dict[ProviderType, str] = {
    ProviderType.FAL_STANDARD: "fal_request_id",
    ProviderType.FAL_SHOOTIFY_REFINER: "fal_request_id",
    ProviderType.FAL_GARMENT_FIXER: "fal_request_id",
    ProviderType.FASHN_STANDARD: "fashn_task_id",
}
"""The field of a provider's configuration in the API that returns the provider's id of the work."""


def task_queue(provider: ProviderType, task_type: TaskType, config: Mapping[str, Any]) -> TaskQueue:
    """Return the queue of a task. Tiles that a provider's model edits need no place at a GPU.

    Args:
        provider: the provider, which serves the type.
        task_type: the task's type.
        config: the task's `config`.
    """
    queue = PROVIDERS[provider].queues[task_type]
    is_edited_remotely = config.get("editor") == EditorKind.VERTEX
    if TASK_TYPES[task_type].is_tiled and queue is TaskQueue.INFERENCE and is_edited_remotely:
        return TaskQueue.INFERENCE_CPU
    return queue


def capabilities_of(
    provider: ProviderType, task_type: TaskType, app_id: str | None = None
) -> frozenset[Cap]:
    """Return the capabilities of a provider for one task type.

    Args:
        provider: the provider.
        task_type: the task's type.
        app_id: the app that the request names, for fal. None: the default apps, of which the one
            is used that fits the request.
    """
    stated = PROVIDERS[provider].capabilities
    if provider is ProviderType.FREEPIK_MAGNIFIC_PRECISION:
        return stated | {Cap.UPSCALE_FLOAT}  # any whole factor; its limits refuse others
    if provider is not ProviderType.FAL_STANDARD or not has_apps(task_type):
        return stated
    return app_capabilities(task_type, app_id)


def task_capabilities(
    provider: ProviderType,
    task_type: TaskType,
    options: Mapping[str, Any],
    fields: Mapping[str, Any],
) -> frozenset[Cap]:
    """Return the capabilities of a provider for one task.

    Args:
        provider: the provider.
        task_type: the task's type.
        options: the provider's configuration.
        fields: the task's fields.
    """
    return capabilities_of(provider, task_type, named_app(options, fields))
