"""Reports on the stages of preprocessing."""

from datetime import UTC, datetime
from uuid import UUID

from shared.contracts.enums import TrainingStatus
from shared.contracts.progress import TrainingProgress
from shared.progress import TrainingProgressSink


class StageReports:
    """Reports stages, and the images finished in each.

    Args:
        sink: receives the reports.
        training_id: the training.
        total: number of source images.
    """

    def __init__(self, sink: TrainingProgressSink, training_id: UUID, total: int) -> None:
        self._sink = sink
        self._training_id = training_id
        self._total = total
        self._stage = ""
        self._done = 0

    def begin(self, stage: str) -> None:
        """Report the begin of a stage."""
        self._stage, self._done = stage, 0
        self._report()

    def count(self) -> None:
        """Report that one more image is finished in the stage."""
        self._done += 1
        self._report()

    def complete(self, used: int) -> None:
        """Report that the dataset is complete."""
        self._stage, self._done = "completed", used
        self._report()

    def _report(self) -> None:
        report = TrainingProgress(
            training_id=self._training_id,
            stage=TrainingStatus.PREPROCESSING,
            at=datetime.now(UTC),
            preprocessing_stage=self._stage,
            processed_files_count=self._done,
            total_files_count=self._total,
        )
        self._sink.report_training(report)
