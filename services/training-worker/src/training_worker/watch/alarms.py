"""Warnings about a training's course, as its record shows them."""

from collections.abc import Mapping

from training_worker.watch.log import TrainingLog


class Alarms:
    """Alarms by their subject, such as `overfit`. One that is raised is logged.

    Args:
        log: of the training.
    """

    def __init__(self, log: TrainingLog) -> None:
        self._log = log
        self._raised: dict[str, str] = {}

    @property
    def lines(self) -> list[str]:
        """The alarms that are raised now, one sentence each."""
        return list(self._raised.values())

    def set(self, subject: str, message: str) -> None:
        """Raise an alarm, or replace its message."""
        if subject not in self._raised:
            self._log.warning(message)
        self._raised[subject] = message

    def clear(self, subject: str) -> None:
        """Take an alarm back."""
        if self._raised.pop(subject, None):
            self._log.info(f"no longer {subject}")

    def set_only(self, subjects: tuple[str, ...], raised: Mapping[str, str]) -> None:
        """Raise those of some subjects that are named, and take the others of them back."""
        for subject in subjects:
            if subject in raised:
                self.set(subject, raised[subject])
            else:
                self.clear(subject)
