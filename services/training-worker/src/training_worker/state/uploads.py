"""Uploads in the background, while the training goes on; a store that fails is tried again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import structlog

from shared.contracts.error_text import one_line
from shared.errors import StorageError

_log = structlog.stdlib.get_logger(__name__)

_GIVE_UP_AFTER_S = 30 * 60
_MAX_BACK_OFF_S = 60.0
_HURRIED_BACK_OFF_S = 1.0


def doubling(failures: int) -> float:
    """Return the seconds before the next try: 1, 2, 4 … 60."""
    return min(_MAX_BACK_OFF_S, 2.0 ** (failures - 1))


@dataclass(frozen=True)
class _Upload:
    name: str
    run: Callable[[], object]
    discard: Callable[[], object]


class Uploads:
    """A queue of uploads and its thread, which ends with the block. One upload runs at a time.

    Args:
        now: a clock that never goes back, in seconds.
        back_off: returns the seconds before a try, by the number of failures in a row.
        give_up_after_s: seconds of failures in a row before the training fails.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        back_off: Callable[[int], float] = doubling,
        give_up_after_s: float = _GIVE_UP_AFTER_S,
    ) -> None:
        self._now = now
        self._back_off = back_off
        self._give_up_after_s = give_up_after_s
        self._waiting: OrderedDict[str, _Upload] = OrderedDict()
        self._is_busy = False
        self._is_closed = False
        self._is_hurried = False
        self._failure: Exception | None = None
        self._failing_since: float | None = None
        self._num_failures = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread after the upload that runs, if one does; those that wait are dropped."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def submit(self, name: str, run: Callable[[], object], discard: Callable[[], object]) -> None:
        """Queue an upload; it replaces one of the same name that has not succeeded yet.

        Args:
            name: of the place that it goes to.
            run: uploads; raises `StorageError` if the store fails. It may run several times.
            discard: called instead, once a newer upload has replaced this one.
        """
        with self._changed:
            replaced = self._waiting.pop(name, None)
            self._waiting[name] = _Upload(name, run, discard)
            self._changed.notify_all()
        if replaced is not None:
            replaced.discard()

    def check(self) -> None:
        """Raise the failure of an upload, if one was given up.

        Raises:
            StorageError: the store failed for too long.
        """
        with self._changed:
            if self._failure is not None:
                raise self._failure

    def drain(self, give_up_after_s: float | None = None) -> None:
        """Wait until every upload is done.

        Args:
            give_up_after_s: from now on, the seconds of failures in a row before it gives up, with
                a second between tries; none: as before.

        Raises:
            StorageError: the store failed for too long.
        """
        with self._changed:
            if give_up_after_s is not None:
                self._give_up_after_s = give_up_after_s
                self._is_hurried = True
                self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._failure is not None or not (self._waiting or self._is_busy)
            )
        self.check()

    def _run(self) -> None:
        while (upload := self._take()) is not None:
            try:
                upload.run()
            except Exception as error:  # noqa: BLE001 -- raised on the training's thread
                self._failed(upload, error)
            else:
                self._succeeded()

    def _take(self) -> _Upload | None:
        with self._changed:
            self._changed.wait_for(self._has_turn)
            if self._is_closed or self._failure is not None:
                return None
            self._is_busy = True
            _, upload = self._waiting.popitem(last=False)
            return upload

    def _has_turn(self) -> bool:
        return bool(self._waiting) or self._is_closed or self._failure is not None

    def _succeeded(self) -> None:
        with self._changed:
            self._is_busy = False
            self._failing_since, self._num_failures = None, 0
            self._changed.notify_all()

    def _failed(self, upload: _Upload, error: Exception) -> None:
        with self._changed:
            self._is_busy = False
            self._num_failures += 1
            if self._failing_since is None:
                self._failing_since = self._now()
            self._failure = self._final(error, self._now() - self._failing_since)
            is_replaced = upload.name in self._waiting
            if not is_replaced:
                self._waiting[upload.name] = upload
                self._waiting.move_to_end(upload.name, last=False)
            self._changed.notify_all()
        if is_replaced:
            upload.discard()
        if self._failure is None:
            self._rest(upload, error)

    def _rest(self, upload: _Upload, error: Exception) -> None:
        was_hurried = self._is_hurried
        wait_s = self._back_off(self._num_failures)
        if was_hurried:
            wait_s = min(wait_s, _HURRIED_BACK_OFF_S)
        _log.warning("upload_failed", upload=upload.name, retry_in_s=wait_s, error=one_line(error))
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or self._is_hurried != was_hurried, timeout=wait_s
            )

    def _final(self, error: Exception, failed_s: float) -> Exception | None:
        """Return the failure that ends the training; None: the upload is tried again."""
        if not isinstance(error, StorageError):
            return error
        if failed_s < self._give_up_after_s:
            return None
        return StorageError(
            f"the object store has failed for {failed_s / 60:.0f} minutes: {one_line(error)}",
            is_final=True,
        )
