"""Reports of edits that are parts of a task, which go into the task's record.

An edit reports to the run of its task by a signal, and not to the worker that started it: the
worker may be lost, or may have stored the edited tile, before it could report the edit itself.
"""

from uuid import UUID

from shared.contracts.remote_editing import EditReport
from workflows.definitions.attempt_log import AttemptLog


class EditReports:
    """The reports that a run receives for its tasks."""

    def __init__(self) -> None:
        self._logs: dict[UUID, AttemptLog] = {}

    def follow(self, log: AttemptLog) -> None:
        """Add the reports of a task's edits to its log from now on."""
        self._logs[log.task_id] = log

    def note(self, report: EditReport) -> None:
        """Add a report to the log of its task; a task that this run has not tried has none."""
        log = self._logs.get(report.task_id)
        if log is not None:
            log.note_edit(report)
