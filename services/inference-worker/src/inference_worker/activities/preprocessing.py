"""The activities that build datasets: fetch pictures, preprocess, store; write captions."""

import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from temporalio import activity

from inference_worker.activities.dataset_build import DatasetBuild
from inference_worker.io.picture_files import PictureFiles
from inference_worker.preprocessing.manifest import manifest_json, with_captions
from inference_worker.preprocessing.pipeline import TransformSteps
from inference_worker.preprocessing.progress import StageReports
from inference_worker.preprocessing.steps.step import StepModels
from shared.contracts.datasets import (
    DatasetActivities,
    DatasetManifest,
    FinishDataset,
    FinishedDataset,
    PreparedDataset,
    PreprocessDataset,
)
from shared.progress import ExecutorIdentity, TrainingProgressSink
from shared.temporal.heartbeat import Heartbeat


class DatasetPreparer(DatasetActivities):
    """Builds the datasets of trainings.

    A retry writes the same bytes under the same keys.

    Args:
        models: find faces and subjects.
        files: loads and stores pictures.
        progress: receives reports on the stages.
        executant: this worker.
        native_px: the training resolution of a request that names none.
        folder: for temporary files; None: the system's.
    """

    def __init__(
        self,
        models: StepModels,
        files: PictureFiles,
        progress: TrainingProgressSink,
        executant: ExecutorIdentity,
        *,
        native_px: int,
        folder: Path | None = None,
    ) -> None:
        self._models = models
        self._files = files
        self._progress = progress
        self._executant = executant
        self._native_px = native_px
        self._folder = folder

    @activity.defn(name="preprocess_dataset")
    async def preprocess_dataset(self, request: PreprocessDataset) -> PreparedDataset:
        """Check, transform and caption the pictures, and store the dataset.

        Raises:
            InvalidInputError: too many pictures cannot be used; it names them.
        """
        started_at = datetime.now(UTC)
        resolutions = list(dict.fromkeys(request.resolutions)) or [self._native_px]
        max_pixels = self._files.max_pixels
        steps = TransformSteps.checked(request.transforms, self._models, max_pixels)
        total = len(request.source_images)
        reports = StageReports(self._progress, request.training_id, total)
        with tempfile.TemporaryDirectory(prefix="dataset-", dir=self._folder) as folder:
            build = DatasetBuild(request, resolutions, steps, Path(folder), self._files, reports)
            async with Heartbeat():
                dataset = await build.run()
        return PreparedDataset(
            **vars(self._executant),
            started_at=started_at,
            completed_at=datetime.now(UTC),
            files=dataset.files,
            warnings=dataset.warnings,
            dataset_path=dataset.path,
            processed_files_count=dataset.num_used,
            total_files_count=total,
            to_caption=dataset.to_caption,
            log=dataset.log,
        )

    @activity.defn(name="finish_dataset")
    async def finish_dataset(self, request: FinishDataset) -> FinishedDataset:
        """Write a model's captions into the manifest."""
        started_at = datetime.now(UTC)
        async with Heartbeat():
            content = await self._files.objects.get(request.dataset_path)
            manifest = await self._files.cpu.run(partial(_finish, content, request))
            stored = await self._files.put(
                request.dataset_path, manifest_json(manifest), "application/json"
            )
        used = len({image.index for image in manifest.images})
        total = used + len(manifest.skipped) + len(manifest.duplicates)
        StageReports(self._progress, request.training_id, total).complete(used)
        return FinishedDataset(
            **vars(self._executant),
            started_at=started_at,
            completed_at=datetime.now(UTC),
            files=[stored],
        )


def _finish(content: bytes, request: FinishDataset) -> DatasetManifest:
    manifest = DatasetManifest.model_validate_json(content)
    return with_captions(manifest, request.captions, request.training_id)
