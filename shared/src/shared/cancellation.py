"""Cancellation of work on a thread: a flag that it checks between its steps."""

import threading
from typing import Protocol

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError


class Cancelled(PlatformError):  # noqa: N818 — an event, no fault
    """Work was cancelled between two of its steps."""

    category = ErrorCategory.CANCELLED


class CancelFlag(Protocol):
    """The read side of a `threading.Event`."""

    def is_set(self) -> bool: ...


NEVER: CancelFlag = threading.Event()
"""The flag of work that is never cancelled."""


def stop_if(cancel: CancelFlag) -> None:
    """Raise `Cancelled` if the flag is set."""
    if cancel.is_set():
        raise Cancelled("stopped between two steps")
