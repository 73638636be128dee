"""BACKGROUND_REMOVE: fetch the pictures, cut them out, store the cut-outs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from temporalio import activity

from inference_worker.background_removal.cut_out import cut_out
from inference_worker.cpu_threads import gather
from inference_worker.io.outputs import Outputs, computed_provenance
from inference_worker.io.picture_files import PictureFiles
from inference_worker.vision.model_usage import ModelUsage
from inference_worker.vision.models import VisionModels
from inference_worker.vision.protocols import SubjectSegmenter
from shared.contracts.attempts import StoredFile
from shared.contracts.background_removal import (
    BackgroundRemovalActivities,
    RemoveBackgrounds,
    RemoveBackgroundsResult,
)
from shared.contracts.enums import ErrorCategory, OutputFormat
from shared.contracts.provenance import FileProvenance
from shared.contracts.task_types import background_remove
from shared.errors import InvalidInputError, PlatformError
from shared.pixels.images import decode_with_alpha
from shared.progress import Executant, ProgressSink
from shared.temporal.heartbeat import Heartbeat

_AT_ONCE = 2
"""Pictures of a batch: while one is computed, the other is fetched or stored."""


@dataclass(frozen=True)
class _Removal:
    """What the pictures of one batch have in common."""

    folder: str
    segmenter: SubjectSegmenter
    outputs: Outputs


class BackgroundRemover(BackgroundRemovalActivities):
    """Cuts out what pictures are about.

    Args:
        models: where the model that finds subjects comes from.
        files: where pictures come from and go to.
        progress: hears that attempts start and how far they are.
        executant: this worker.
    """

    def __init__(
        self,
        models: VisionModels,
        files: PictureFiles,
        progress: ProgressSink,
        executant: Executant,
    ) -> None:
        self._models = models
        self._files = files
        self._progress = progress
        self._executant = executant

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
        folder = background_remove.ROW.attempt_folder(request.task_id, request.attempt)
        async with Heartbeat(), self._progress.attempt(request.task_id, request.attempt) as report:
            model = self._models.choose_subject_model(request.remover.rembg_model)
            usage = ModelUsage(self._models)
            segmenter = await self._files.cpu.run(lambda: usage.subjects_by(model))
            made = computed_provenance("background_remove", usage.used)
            outputs = Outputs(request.task_id, made, OutputFormat.PNG, self._files)
            outcomes = await self._remove_all(keys, _Removal(folder, segmenter, outputs), report)
        files = [outcome for outcome in outcomes if isinstance(outcome, StoredFile)]
        faults = [outcome for outcome in outcomes if isinstance(outcome, str)]
        if not files:
            raise InvalidInputError("; ".join(faults))
        listed = [FileProvenance(key=file.key, sha256=file.sha256) for file in files]
        return RemoveBackgroundsResult(
            **vars(self._executant),
            started_at=started_at,
            files=files,
            provenance=made.model_copy(update={"files": listed}),
            faults=faults,
            result_image_paths=[file.key for file in files],
            rembg_model_used=model.name,
        )

    async def _remove_all(
        self,
        keys: list[str],
        removal: _Removal,
        report: Callable[[float], None],
    ) -> list[StoredFile | str]:
        """For each picture, in order, what was stored, or why it cannot be read."""
        slots = asyncio.Semaphore(_AT_ONCE)
        done = 0

        async def remove(index: int, key: str) -> StoredFile | str:
            nonlocal done
            async with slots:
                try:
                    return await self._remove(index, key, removal)
                except PlatformError as error:
                    if error.category != ErrorCategory.VALIDATION:
                        raise
                    return str(error)
                finally:
                    done += 1
                    report(done / len(keys))

        return await gather(remove(*item) for item in enumerate(keys))

    async def _remove(self, index: int, key: str, removal: _Removal) -> StoredFile:
        field = f"input_image_paths[{index}] ({key})"
        picture = await self._files.fetch(field, key, decode_with_alpha)
        subject = await self._files.cpu.run(partial(cut_out, picture, removal.segmenter))
        return await removal.outputs.store(f"{removal.folder}/image_{index}", subject)
