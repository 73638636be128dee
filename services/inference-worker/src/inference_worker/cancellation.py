"""How work on a thread hears that nobody waits for it any more."""

import threading
from typing import Protocol

from inference_worker.errors import Cancelled


class CancelFlag(Protocol):
    """A `threading.Event`, as far as those who compute look at it."""

    def is_set(self) -> bool: ...


NEVER: CancelFlag = threading.Event()
"""Of a run that nobody cancels."""


def stop_if(cancel: CancelFlag) -> None:
    """Raise `Cancelled` if the flag is set."""
    if cancel.is_set():
        raise Cancelled("stopped between two steps")
