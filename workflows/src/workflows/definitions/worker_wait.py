"""Waiting long for a worker that can do a step, in a run whose history must stay bounded."""

from collections.abc import Callable
from contextlib import suppress

from temporalio import workflow

from workflows.policies import LONG_HISTORY_EVENTS


class ContinueAsNewError(Exception):
    """The history has grown long while nothing could be done: the run is to be continued as new."""


class StepNotStartedError(Exception):
    """The run starts no more steps, and this one has not been tried."""


class WorkerWait:
    """The waits of one run.

    Each offer of a step to a worker that cannot do it costs some events of the history, and the
    steps of a later deployment may wait for days. Once the history is long and every running step
    is one that nobody has tried, all waits end in `ContinueAsNewError`, and no work is lost by it.

    Args:
        running: how many steps the run has under way.
        is_stopping: whether the run starts no more steps.
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
        """Wait before a step is offered again.

        Args:
            seconds: how long.
            summary: what the Web UI shows beside the timer.
            is_untried: nobody has tried the step, so that it may begin anew.

        Raises:
            ContinueAsNewError: the run is to be continued as new.
            StepNotStartedError: the step is not to be started any more.
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
