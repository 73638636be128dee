"""The first stage of a training: fetch its pictures, preprocess and caption them."""

from collections.abc import Callable, Mapping

from temporalio import workflow

from shared.contracts.attempts import StoredFile
from shared.contracts.datasets import (
    DatasetActivities,
    FinishDataset,
    PreparedDataset,
    PreprocessDataset,
)
from shared.contracts.enums import TaskQueue
from shared.contracts.inputs import FetchedInputs
from shared.contracts.training import TrainingRun
from shared.contracts.untrusted import clean_text
from workflows.definitions.training_captions import Captions, caption_pictures
from workflows.definitions.training_sources import fetch_sources, remote_sources
from workflows.policies import HEARTBEAT_TIMEOUT, PREPROCESSING_START_TO_CLOSE, STAGE_RETRY

_FETCHES_FIRST = "trainings-fetch-their-sources"
_FAULT_CHARS = 200
"""Length of a reason in the manifest."""
_WAIT = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED


class DatasetPreparation:
    """The preparation of one training's dataset.

    Args:
        run: the training.
        show: shows the state of the stage in the Temporal UI.
    """

    def __init__(self, run: TrainingRun, show: Callable[[str], None]) -> None:
        self._run = run
        self._show = show
        self.files: list[StoredFile] = []
        """All files stored so far, for their owner rows, even if the stage fails."""

    async def prepare(self) -> PreparedDataset:
        """Return the complete dataset, with the files of all its parts.

        Raises:
            ActivityError: the stage failed for good.
        """
        fetched = await self._fetch()
        self._show("waits for a worker or runs")
        dataset = await self._preprocess(fetched)
        self.files += dataset.files
        if dataset.to_caption:
            dataset = await self._caption(dataset)
        return dataset.model_copy(update={"files": self.files})

    async def _fetch(self) -> FetchedInputs:
        """Fetch the URLs among the sources; runs from before that left it to their worker."""
        count = len(remote_sources(self._run))
        if not count or not workflow.patched(_FETCHES_FIRST):
            return FetchedInputs(keys={}, files=[])
        self._show(f"{count} remote pictures are fetched, queue `{TaskQueue.FETCH}`")
        fetched = await fetch_sources(self._run)
        self.files += fetched.files
        return fetched

    async def _preprocess(self, fetched: FetchedInputs) -> PreparedDataset:
        run = self._run
        return await workflow.execute_activity_method(
            DatasetActivities.preprocess_dataset,
            PreprocessDataset(
                training_id=run.training_id,
                source_images=run.source_images,
                fetched=run.picture_objects,
                fetched_at=_by_position(run, fetched.keys),
                faults_at={
                    index: clean_text(fault, _FAULT_CHARS)
                    for index, fault in _by_position(run, fetched.faults).items()
                },
                transforms=run.transforms,
                captioning=run.captioning,
                resolutions=run.hyperparameters.resolutions,
                held_out_share=run.hyperparameters.held_out_share,
                owner=run.owner,
            ),
            task_queue=TaskQueue.PREPROCESSING,
            start_to_close_timeout=PREPROCESSING_START_TO_CLOSE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=STAGE_RETRY,
            cancellation_type=_WAIT,
            summary=f"{len(run.source_images)} picture" + ("s" if run.source_images[1:] else ""),
        )

    async def _caption(self, dataset: PreparedDataset) -> PreparedDataset:
        """Let a model caption the pictures, and complete the dataset with its captions."""
        keys = list(dict.fromkeys(dataset.to_caption))

        def tell(done: int) -> None:
            self._show(f"{done} of {len(keys)} captions, queue `{TaskQueue.PROVIDER_LLM}`")

        tell(0)
        captions = await caption_pictures(self._run, keys, tell)
        finished = await workflow.execute_activity_method(
            DatasetActivities.finish_dataset,
            FinishDataset(
                training_id=self._run.training_id,
                dataset_path=dataset.dataset_path,
                captions=captions.by_key,
                owner=self._run.owner,
            ),
            task_queue=TaskQueue.PREPROCESSING,
            start_to_close_timeout=PREPROCESSING_START_TO_CLOSE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=STAGE_RETRY,
            cancellation_type=_WAIT,
            summary=f"{len(captions.by_key)} captions",
        )
        self.files += finished.files
        return dataset.model_copy(
            update={
                "completed_at": finished.completed_at,
                "warnings": [*dataset.warnings, *finished.warnings, *_warnings(captions)],
                "log": [*dataset.log, *_log_lines(captions)],
            }
        )


def _by_position(run: TrainingRun, values: Mapping[str, str]) -> dict[int, str]:
    """Return values of source images by their positions."""
    sources = enumerate(run.source_images)
    return {index: values[source] for index, source in sources if source in values}


def _warnings(captions: Captions) -> list[str]:
    if not captions.failures:
        return []
    failed = len(captions.failures)
    reason = list(captions.failures.values())[-1]
    return [
        f"preprocessing_captioning_strategy: {failed} of {failed + len(captions.by_key)} pictures"
        f" have the trigger word alone as their caption, since the model gave none: {reason}"
    ]


def _log_lines(captions: Captions) -> list[str]:
    return [f"no caption of {key}: {reason}" for key, reason in captions.failures.items()]
