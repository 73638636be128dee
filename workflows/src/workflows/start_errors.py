"""Runs that Temporal did not acknowledge, told apart from those that it refused."""

from collections.abc import Generator
from contextlib import contextmanager

from temporalio.service import RPCError, RPCStatusCode


class RunUnknownError(Exception):
    """Temporal did not acknowledge: whether there is a run, or is yet to be, nobody knows."""


class RunRefusedError(Exception):
    """Temporal refused a run for what it carries: there is none, and will be none."""


@contextmanager
def translated_start_errors() -> Generator[None]:
    """Tell a start that certainly did not happen from one that nobody knows of.

    Raises:
        RunRefusedError: the former.
        RunUnknownError: the latter.
    """
    try:
        yield
    except RPCError as error:
        if error.status == RPCStatusCode.INVALID_ARGUMENT:
            raise RunRefusedError(str(error)) from error
        raise RunUnknownError(str(error)) from error
    except RuntimeError as error:  # a lazy client's first connection
        raise RunUnknownError(str(error)) from error
