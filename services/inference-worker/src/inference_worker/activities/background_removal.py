"""The activity BACKGROUND_REMOVE: fetch pictures, cut out their subjects, store them."""

import asyncio
from dataclasses import dataclass
from functools import partial

from temporalio import activity

from inference_worker.activities.attempts import AttemptRunner, RunningAttempt
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
from shared.contracts.enums import ErrorCategory
from shared.contracts.provenance import FileProvenance
from shared.contracts.task_types import background_remove
from shared.errors import InvalidInputError, PlatformError
from shared.pixels.images import decode_with_alpha
from shared.progress import ExecutorIdentity, ProgressSink

_AT_ONCE = 2
"""Concurrent pictures of a batch: one is computed while another is fetched or stored."""


@dataclass(frozen=True)
class _Removal:
    """The shared context of one batch's pictures."""

    attempt: RunningAttempt
    segmenter: SubjectSegmenter
    outputs: Outputs


class BackgroundRemover(BackgroundRemovalActivities):
    """Cuts the subjects out of pictures.

    Args:
        models: the models that find subjects.
        files: loads and stores pictures.
        progress: receives the start and the progress of attempts.
        executant: this worker.
    """

    def __init__(
        self,
        models: VisionModels,
        files: PictureFiles,
        progress: ProgressSink,
        executant: ExecutorIdentity,
    ) -> None:
        self._models = models
        self._files = files
        self._attempts = AttemptRunner(files, progress, executant)

    @activity.defn(name="remove_backgrounds")
    async def remove_backgrounds(self, request: RemoveBackgrounds) -> RemoveBackgroundsResult:
        """Cut the subject out of each picture.

        A picture that cannot be read becomes one of the result's faults, with its index and key;
        the others are still processed.

        Raises:
            InvalidInputError: the requested model is not on this worker, or no picture can be read.
        """
        keys = request.inputs.input_image_paths
        async with self._attempts.attempt(background_remove.ROW, request) as attempt:
            model = self._models.choose_subject_model(request.remover.rembg_model)
            usage = ModelUsage(self._models)
            segmenter = await self._files.cpu.run(lambda: usage.subjects_by(model))
            provenance = computed_provenance("background_remove", usage.used)
            removal = _Removal(attempt, segmenter, attempt.outputs(provenance))
            outcomes = await self._remove_all(keys, removal)
        files = [outcome for outcome in outcomes if isinstance(outcome, StoredFile)]
        faults = [outcome for outcome in outcomes if isinstance(outcome, str)]
        if not files:
            raise InvalidInputError("; ".join(faults))
        listed = [FileProvenance(key=file.key, sha256=file.sha256) for file in files]
        return RemoveBackgroundsResult(
            **attempt.result_fields(files, provenance.model_copy(update={"files": listed})),
            faults=faults,
            result_image_paths=[file.key for file in files],
            rembg_model_used=model.name,
        )

    async def _remove_all(self, keys: list[str], removal: _Removal) -> list[StoredFile | str]:
        """Return for each picture, in order, the stored file or the reason of its failure."""
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
                    removal.attempt.report_step(done, len(keys))

        return await gather(remove(*item) for item in enumerate(keys))

    async def _remove(self, index: int, key: str, removal: _Removal) -> StoredFile:
        field = f"input_image_paths[{index}] ({key})"
        picture = await self._files.fetch(field, key, decode_with_alpha)
        subject = await self._files.cpu.run(partial(cut_out, picture, removal.segmenter))
        return await removal.outputs.store(f"{removal.attempt.folder}/image_{index}", subject)
