"""Handling of unexpected exceptions in workflow code: the run fails with the category INTERNAL.

By default, Temporal fails the workflow task of a run whose code raises, and retries it forever.
That is right only for code that does not match the run's history: the run then waits for a version
that does.
"""

from collections.abc import Generator
from contextlib import contextmanager

from temporalio.exceptions import ApplicationError, FailureError
from temporalio.workflow import NondeterminismError

from shared.contracts.enums import ErrorCategory
from shared.contracts.untrusted import describe_error, storable_cause
from workflows.definitions.worker_wait import ContinueAsNewError, StepNotStartedError

CONTROL_FLOW = (NondeterminismError, ContinueAsNewError, StepNotStartedError)
"""Exceptions that are part of the control flow and must pass a general `except`."""


@contextmanager
def failing_as_internal() -> Generator[None]:
    """Fail the run on an unexpected exception.

    If the record could not be written, the reconciler writes the outcome of the run later.

    Raises:
        ApplicationError: type INTERNAL, for an unexpected exception.
    """
    try:
        yield
    except (FailureError, NondeterminismError):
        raise
    except Exception as error:  # noqa: BLE001 — everything else is a bug and fails the run
        raise ApplicationError(
            describe_error(error), type=ErrorCategory.INTERNAL, non_retryable=True
        ) from storable_cause(error)
