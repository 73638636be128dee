"""BACKGROUND_REMOVE: fetch the pictures, cut them out, store the cut-outs."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import TypeVar

from temporalio import activity

from inference_worker.background_removal.cut_out import cut_out
from inference_worker.images import decode_image, encode_png, sha256_hex
from inference_worker.vision.models import VisionModels
from inference_worker.vision.protocols import SubjectSegmenter
from shared.contracts.attempts import StoredFile
from shared.contracts.background_removal import (
    BackgroundRemovalActivities,
    RemoveBackgrounds,
    RemoveBackgroundsResult,
)
from shared.contracts.enums import ErrorCategory
from shared.errors import InvalidInputError, PlatformError
from shared.progress import Executant, ProgressSink
from shared.storage.object_store import ObjectStore
from shared.temporal.heartbeat import Heartbeat

_T = TypeVar("_T")
_AT_ONCE = 2
"""Pictures of a batch: while one is computed, the other is fetched or stored."""


class BackgroundRemover(BackgroundRemovalActivities):
    """Cuts out what pictures are about.

    Args:
        models: where the model that finds subjects comes from.
        cpu: threads that decode, compute and encode.
        objects: where pictures come from and go to.
        progress: hears that attempts start and how far they are.
        executant: this worker.
        max_input_pixels: largest picture, width × height.
    """

    def __init__(
        self,
        *,
        models: VisionModels,
        cpu: Executor,
        objects: ObjectStore,
        progress: ProgressSink,
        executant: Executant,
        max_input_pixels: int,
    ) -> None:
        self._models = models
        self._cpu = cpu
        self._objects = objects
        self._progress = progress
        self._executant = executant
        self._max_input_pixels = max_input_pixels

    @activity.defn(name="remove_backgrounds")
    async def remove_backgrounds(self, request: RemoveBackgrounds) -> RemoveBackgroundsResult:
        """Cut out what each picture is about.

        Pictures that cannot be read are the result's faults, by their place and key; the others are
        done all the same.

        Raises:
            InvalidInputError: the model that was asked for is not here, or no picture can be read.
        """
        started_at = datetime.now(UTC)
        keys = request.inputs.input_image_paths
        folder = f"background_removals/{request.task_id}/a{request.attempt}"
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt) as report:
            model = self._models.choose_subject_model(request.remover.rembg_model)
            segmenter = await self._on_cpu(lambda: self._models.subjects_by(model))
            outcomes = await self._remove_all(keys, folder, segmenter, report)
        files = [outcome for outcome in outcomes if isinstance(outcome, StoredFile)]
        faults = [outcome for outcome in outcomes if isinstance(outcome, str)]
        if not files:
            raise InvalidInputError("; ".join(faults))
        return RemoveBackgroundsResult(
            started_at=started_at,
            executor_instance=self._executant.executor_instance,
            executor_type=self._executant.executor_type,
            files=files,
            faults=faults,
            result_image_paths=[file.key for file in files],
            rembg_model_used=model.name,
        )

    async def _remove_all(
        self,
        keys: list[str],
        folder: str,
        segmenter: SubjectSegmenter,
        report: Callable[[float], None],
    ) -> list[StoredFile | str]:
        """For each picture, in order, what was stored, or why it cannot be read."""
        slots = asyncio.Semaphore(_AT_ONCE)
        done = 0

        async def remove(index: int, key: str) -> StoredFile | str:
            nonlocal done
            async with slots:
                try:
                    return await self._remove(key, f"{folder}/image_{index}.png", segmenter)
                except PlatformError as error:
                    if error.category != ErrorCategory.VALIDATION:
                        raise
                    return f"input_image_paths[{index}] ({key}): {error}"
                finally:
                    done += 1
                    report(done / len(keys))

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(remove(*item)) for item in enumerate(keys)]
        except* PlatformError as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _remove(self, source: str, target: str, segmenter: SubjectSegmenter) -> StoredFile:
        content = await self._objects.get(source)

        def compute() -> tuple[bytes, str]:
            picture = decode_image(content, max_pixels=self._max_input_pixels)
            png = encode_png(cut_out(picture, segmenter))
            return png, sha256_hex(png)

        png, digest = await self._on_cpu(compute)
        await self._objects.put(target, png, "image/png")
        return StoredFile(key=target, size_bytes=len(png), content_type="image/png", sha256=digest)

    async def _on_cpu(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._cpu, work)
