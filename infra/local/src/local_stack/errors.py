"""Why a stack did not start, or did not stay up. Each message is written for a terminal."""

import signal


class StackError(Exception):
    """Something a person has to look at."""


class PortHeldError(StackError):
    """A port that a setting fixes belongs to someone else."""


class AlreadyRunningError(StackError):
    """One state folder carries one stack at a time."""


class NotReadyError(StackError):
    """A child runs, but did not become ready in time."""

    def __init__(self, name: str, timeout_s: float, log_tail: str) -> None:
        super().__init__(f"{name} was not ready within {timeout_s:g} s; its log ends\n{log_tail}")


class ChildDiedError(StackError):
    """A child ended that nobody had asked to end."""

    def __init__(self, name: str, returncode: int, log_tail: str) -> None:
        super().__init__(f"{name} {_manner(returncode)}; its log ends\n{log_tail}")
        self.name = name
        self.returncode = returncode


def _manner(returncode: int) -> str:
    if returncode >= 0:
        return f"exited with {returncode}"
    return f"was killed by {signal.Signals(-returncode).name}"
