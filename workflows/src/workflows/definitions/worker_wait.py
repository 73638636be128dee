"""Long waits for a worker that supports a step, with a bounded history."""

from collections.abc import Callable
from contextlib import suppress

from temporalio import workflow

from workflows.policies import LONG_HISTORY_EVENTS


class ContinueAsNewError(Exception):
    """The history has grown long during waits: the caller must continue the run as new."""


class StepNotStartedError(Exception):
    """The run starts no more steps, and this step has not been tried."""


class WorkerWait:
    """The waits of one run.

    Each try of a step on a worker that does not support it adds events to the history, and a step
    may wait for days until a deployment supports it. Once the history is long and none of the
    running steps has been tried, all waits raise `ContinueAsNewError`; no work is lost.

    Args:
        running: returns the number of running steps.
        is_stopping: returns true if the run starts no more steps.
    """

    def __init__(
        self,
        running: Callable[[], int] = lambda: 1,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._running = running
        self._is_stopping = is_stopping
        self._num_untried = 0

    async def wait(self, seconds: float, summary: str, *, is_untried: bool) -> None:
        """Wait before the next try of a step.

        Args:
            seconds: length of the wait.
            summary: text beside the timer in the Temporal UI.
            is_untried: no worker has tried the step, so that it can start over.

        Raises:
            ContinueAsNewError: the caller must continue the run as new.
            StepNotStartedError: the step must not be started any more.
        """
        self._num_untried += is_untried
        try:
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: (is_untried and self._is_stopping()) or self._is_to_start_anew(),
                    timeout=seconds,
                    timeout_summary=summary,
                )
                raise StepNotStartedError if self._is_stopping() else ContinueAsNewError
        finally:
            self._num_untried -= is_untried

    def _is_to_start_anew(self) -> bool:
        info = workflow.info()
        is_long = (
            info.get_current_history_length() >= LONG_HISTORY_EVENTS
            or info.is_continue_as_new_suggested()
        )
        return is_long and self._num_untried == self._running()
