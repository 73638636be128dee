"""What nobody foresaw ends what it happened in, as INTERNAL, and does not leave a run standing.

Temporal fails the workflow task of a run whose code raises, and tries it again for ever. That is
right for code that does not fit the run's history: there the run waits for the version that does.
"""

from collections.abc import Generator
from contextlib import contextmanager

from temporalio.exceptions import ApplicationError, FailureError
from temporalio.workflow import NondeterminismError

from shared.contracts.enums import ErrorCategory
from shared.contracts.untrusted import describe_error, storable_cause
from workflows.definitions.patience import PutOffError, StartAnewError

ORDERLY = (NondeterminismError, StartAnewError, PutOffError)
"""What is raised on purpose, and is not to be caught with the rest."""


@contextmanager
def failing_as_internal() -> Generator[None]:
    """Let what nobody foresaw fail the run.

    Where its record could not be written, the reconciler ends that as the run has ended.

    Raises:
        ApplicationError: of the type INTERNAL.
    """
    try:
        yield
    except (FailureError, NondeterminismError):
        raise
    except Exception as error:  # noqa: BLE001 — everything else is a bug, and is reported
        raise ApplicationError(
            describe_error(error), type=ErrorCategory.INTERNAL, non_retryable=True
        ) from storable_cause(error)
