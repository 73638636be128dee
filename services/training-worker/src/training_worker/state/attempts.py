"""Attempts without progress: a training that fails at one place again and again is given up."""

import contextlib
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.contracts.error_text import one_line
from shared.errors import ResourceError, StorageError
from training_worker.state.objects import Objects

_MAX_ATTEMPTS = 3


class AttemptCount(BaseModel):
    """The content of `attempts.json`.

    Attributes:
        step: of the state that the attempts began with.
        count: attempts since that state was the newest.
        last_error: of the last one that failed; empty after a kill.
    """

    model_config = ConfigDict(frozen=True)

    step: int = 0
    count: int = 0
    last_error: str = ""


class Attempts:
    """The count of attempts of one training.

    Args:
        objects: the store.
        training_id: of the training.
    """

    def __init__(self, objects: Objects, training_id: UUID) -> None:
        self._objects = objects
        self._key = f"trainings/{training_id}/resume/attempts.json"
        self._own: AttemptCount | None = None

    def begin(self, newest_step: int) -> None:
        """Count an attempt that begins with the newest state, or at step 0.

        Raises:
            ResourceError: three attempts have left no newer state.
        """
        former = self._read()
        own = AttemptCount(step=newest_step)
        if newest_step <= former.step:
            own = former
        if own.count >= _MAX_ATTEMPTS:
            cause = own.last_error or "the worker was killed each time, perhaps for its memory"
            raise ResourceError(
                f"{own.count} attempts have not got beyond the state of step {own.step}; the last"
                f" one ended with: {cause}",
                is_final=True,
            )
        self._write(own.model_copy(update={"count": own.count + 1}))

    def failed(self, error: Exception) -> None:
        """Record why this attempt failed, if it has begun."""
        self._amend(last_error=one_line(error))

    def withdraw(self) -> None:
        """Take back the count of this attempt: it was told to stop, or the store failed."""
        if self._own is not None:
            self._amend(count=max(0, self._own.count - 1))

    def _amend(self, **changes: object) -> None:
        """Change the count of this attempt. A store that fails keeps the former one."""
        if self._own is not None:
            with contextlib.suppress(StorageError):
                self._write(self._own.model_copy(update=changes))

    def _write(self, count: AttemptCount) -> None:
        self._own = count
        self._objects.write_json(self._key, count.model_dump_json())

    def _read(self) -> AttemptCount:
        content = self._objects.get(self._key)
        if content is None:
            return AttemptCount()
        try:
            return AttemptCount.model_validate_json(content)
        except ValidationError:
            return AttemptCount()
