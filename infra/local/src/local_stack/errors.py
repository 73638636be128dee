"""Errors of starting and running a stack. Each message is written for a terminal."""

import signal


class StackError(Exception):
    """An error that the user has to resolve."""


class PortHeldError(StackError):
    """A port that a setting fixes is in use by another process."""


class AlreadyRunningError(StackError):
    """A stack already runs in the state folder."""


class NotReadyError(StackError):
    """A child process did not become ready in time."""

    def __init__(self, name: str, timeout_s: float, log_tail: str) -> None:
        super().__init__(
            f"{name} was not ready within {timeout_s:g} s; a slow or busy machine may need a longer"
            f" SARTIQ_LOCAL_START_TIMEOUT_S. The end of its log:\n{log_tail or '(empty)'}"
        )


class ChildDiedError(StackError):
    """A child process ended unexpectedly."""

    def __init__(self, name: str, returncode: int, log_tail: str) -> None:
        super().__init__(f"{name} {_manner(returncode)}; the end of its log:\n{log_tail}")
        self.name = name
        self.returncode = returncode


def _manner(returncode: int) -> str:
    if returncode >= 0:
        return f"exited with {returncode}"
    return f"was killed by {signal.Signals(-returncode).name}"
