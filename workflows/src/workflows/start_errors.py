"""Errors of starting a run: refused by Temporal, or not acknowledged."""

from collections.abc import Generator
from contextlib import contextmanager

from temporalio.service import RPCError, RPCStatusCode


class RunUnknownError(Exception):
    """Temporal did not acknowledge the start: the run may exist, or may still appear."""


class RunRefusedError(Exception):
    """Temporal refused a run because of its content: there is no run and never will be."""


@contextmanager
def translated_start_errors() -> Generator[None]:
    """Translate the errors of a start.

    Raises:
        RunRefusedError: Temporal refused the run.
        RunUnknownError: Temporal did not acknowledge it.
    """
    try:
        yield
    except RPCError as error:
        if error.status == RPCStatusCode.INVALID_ARGUMENT:
            raise RunRefusedError(str(error)) from error
        raise RunUnknownError(str(error)) from error
    except RuntimeError as error:  # a lazy client's first connection
        raise RunUnknownError(str(error)) from error
