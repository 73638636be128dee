"""How work on a thread hears that nobody waits for it any more."""

import threading
from typing import Protocol

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError


class Cancelled(PlatformError):  # noqa: N818 — says what happened; it is no fault
    """Work was told to stop, and did so between two of its steps."""

    category = ErrorCategory.CANCELLED


class CancelFlag(Protocol):
    """A `threading.Event`, as far as those who compute look at it."""

    def is_set(self) -> bool: ...


NEVER: CancelFlag = threading.Event()
"""Of a run that nobody cancels."""


def stop_if(cancel: CancelFlag) -> None:
    """Raise `Cancelled` if the flag is set."""
    if cancel.is_set():
        raise Cancelled("stopped between two steps")
