"""The log of a training: its end for the record, the whole of it in the object store."""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import chain

import structlog

from shared.contracts.progress import LOG_MAX_CHARS
from shared.contracts.untrusted import clean_text
from shared.errors import StorageError
from training_worker.watch.files import Files

_log = structlog.stdlib.get_logger(__name__)

_MAX_BYTES = 5 * 1024 * 1024
_LEFT_OUT = "… {} lines are left out here\n"
_LEFT_OUT_START, _LEFT_OUT_END = _LEFT_OUT.split("{}")
_CONTENT_TYPE = "text/plain; charset=utf-8"


def utc_now() -> datetime:
    """Return the time of a line."""
    return datetime.now(UTC)


class TrainingLog:
    """Lines `time level message`: if there are too many, the first fifth and the newest.

    Any thread may read it while the training thread writes.

    Args:
        now: returns the time of a line.
        max_bytes: size of the whole log.
    """

    def __init__(
        self, now: Callable[[], datetime] = utc_now, *, max_bytes: int = _MAX_BYTES
    ) -> None:
        self._now = now
        self._max_head_bytes = max_bytes // 5
        self._max_tail_bytes = max_bytes - self._max_head_bytes
        self._lock = threading.Lock()
        self._head: list[str] = []
        self._head_bytes = 0
        self._tail: deque[str] = deque()
        self._tail_bytes = 0
        self._num_left_out = 0
        self._is_stored = True

    def info(self, message: str) -> None:
        """Add a line about the training's course."""
        self._say("INFO", message)

    def warning(self, message: str) -> None:
        """Add a line about something that the client should look at."""
        self._say("WARNING", message)

    def error(self, message: str) -> None:
        """Add a line about a failure."""
        self._say("ERROR", message)

    @property
    def end(self) -> str:
        """The last whole lines of at most `LOG_MAX_CHARS` characters."""
        with self._lock:
            chosen: deque[str] = deque()
            left = LOG_MAX_CHARS
            for line in chain(reversed(self._tail), reversed(self._head)):
                left -= len(line)
                if left < 0:
                    break
                chosen.appendleft(line)
        return "".join(chosen)

    @property
    def text(self) -> str:
        """The whole log, with a line in place of those that are left out."""
        with self._lock:
            gap = [_LEFT_OUT.format(self._num_left_out)] if self._num_left_out else []
            return "".join([*self._head, *gap, *self._tail])

    def open(self, files: Files, key: str, earlier: Iterable[str] = ()) -> None:
        """Continue the stored log of earlier attempts; if there is none, begin with other lines.

        Raises:
            StorageError: the log cannot be read.
        """
        stored = files.get(key)
        text = "".join(f"{_one_line(line)}\n" for line in earlier)
        if stored is not None:
            text = stored.decode(errors="replace")
        with self._lock:
            for line in text.splitlines(keepends=True):
                self._continue(line)
            self._is_stored = stored is not None

    def store(self, files: Files, key: str) -> bool:
        """Store the whole log if it has grown. A store that fails gets it the next time.

        Returns:
            False where the store failed.
        """
        if self._is_stored:
            return True
        self._is_stored = True
        try:
            files.put(key, self.text.encode(), _CONTENT_TYPE)
        except StorageError as error:
            self._is_stored = False
            _log.warning("training_log_not_stored", key=key, error=str(error))
            return False
        return True

    def _say(self, level: str, message: str) -> None:
        time = self._now().isoformat(timespec="seconds").replace("+00:00", "Z")
        with self._lock:
            self._add(f"{time} {level} {_one_line(message)}\n")
            self._is_stored = False

    def _continue(self, line: str) -> None:
        if line.startswith(_LEFT_OUT_START) and line.endswith(_LEFT_OUT_END):
            count = line[len(_LEFT_OUT_START) : -len(_LEFT_OUT_END)]
            if count.isdecimal():
                self._num_left_out += int(count)
                self._head_bytes = self._max_head_bytes  # the head ends here
                return
        self._add(line if line.endswith("\n") else f"{line}\n")

    def _add(self, line: str) -> None:
        size = len(line.encode())
        if self._head_bytes + size <= self._max_head_bytes:
            self._head.append(line)
            self._head_bytes += size
            return
        self._head_bytes = self._max_head_bytes  # a shorter line must not come before this one
        self._tail.append(line)
        self._tail_bytes += size
        while self._tail_bytes > self._max_tail_bytes:
            self._tail_bytes -= len(self._tail.popleft().encode())
            self._num_left_out += 1


def _one_line(message: str) -> str:
    return " ".join(clean_text(message).split())
