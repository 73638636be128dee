"""The newest report of each training that is to be sent, at most one a second for each."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.progress import TrainingProgress

EVERY_S = 1.0
MAX_REPORTS = 1000
"""Reports of one batch."""
_MAX_FILES = 1000
"""Files of one report."""


@dataclass
class _Training:
    """One training: its report that is not sent yet, and the last one that was."""

    pending: TrainingProgress | None = None
    sent_at_s: float = float("-inf")
    sent_stage: tuple[str, str | None] | None = None

    @property
    def due_at_s(self) -> float:
        """The time from which on the report may be sent: at once if the stage is new."""
        if self.pending is None or _stage(self.pending) != self.sent_stage:
            return float("-inf")
        return self.sent_at_s + EVERY_S


class TrainingReports:
    """Keeps reports until they are taken. Thread-safe; all times are monotonic seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trainings: dict[UUID, _Training] = {}

    def add(self, report: TrainingProgress, now_s: float) -> float | None:
        """Replace a training's report; files of both are kept.

        Returns:
            The number of seconds after which it may be taken; None: as with the one it replaces.
        """
        with self._lock:
            training = self._trainings.setdefault(report.training_id, _Training())
            before_s = training.due_at_s if training.pending is not None else None
            training.pending = _merged(training.pending, report)
            if training.due_at_s == before_s:
                return None
            return max(0.0, training.due_at_s - now_s)

    def take(self, now_s: float) -> list[TrainingProgress]:
        """Return the reports that may be sent now. Files beyond a report's limit wait."""
        taken: list[TrainingProgress] = []
        with self._lock:
            for training_id, training in list(self._trainings.items()):
                if training.pending is None:
                    if training.sent_at_s + EVERY_S <= now_s:
                        del self._trainings[training_id]
                elif training.due_at_s <= now_s and len(taken) < MAX_REPORTS:
                    now, training.pending = _split(training.pending)
                    training.sent_at_s, training.sent_stage = now_s, _stage(now)
                    taken.append(now)
        return taken

    def give_back(self, reports: Iterable[TrainingProgress]) -> None:
        """Keep reports that could not be delivered, as older than all others."""
        with self._lock:
            for report in reports:
                training = self._trainings.setdefault(report.training_id, _Training())
                newer = training.pending
                training.pending = report if newer is None else _merged(report, newer)


def _stage(report: TrainingProgress) -> tuple[str, str | None]:
    return report.stage, report.preprocessing_stage


def _merged(older: TrainingProgress | None, newer: TrainingProgress) -> TrainingProgress:
    if older is None or not older.files:
        return newer
    files = {file.key: file for file in (*older.files, *newer.files)}
    return newer.model_copy(update={"files": list(files.values())})


def _split(report: TrainingProgress) -> tuple[TrainingProgress, TrainingProgress | None]:
    """Return what one report can hold, and a report with the other files, if there are any."""
    if len(report.files) <= _MAX_FILES:
        return report, None
    now, later = report.files[:_MAX_FILES], report.files[_MAX_FILES:]
    return (
        report.model_copy(update={"files": now}),
        report.model_copy(update={"files": later}),
    )
