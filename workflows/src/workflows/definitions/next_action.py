"""The decision after a failed attempt: retry, fallback provider, or end."""

from enum import Enum, auto

from shared.contracts.failures import CONSEQUENCES
from shared.contracts.runs import TaskRun
from workflows.definitions.attempt_log import AttemptLog
from workflows.definitions.failure import Failure
from workflows.policies import LONG_WAIT_S, MAX_LOST_WORKERS


class NextAction(Enum):
    """The decision after a failed attempt."""

    RETRY = auto()
    FALL_BACK = auto()
    END = auto()


def next_action(failure: Failure, log: AttemptLog, run: TaskRun) -> NextAction:
    """Decide about the next action after a failure that is in the log already."""
    if failure.is_final:
        return NextAction.END
    if failure.is_worker_lost:
        return NextAction.RETRY if is_retried(failure, log, run) else NextAction.END
    can_fall_back = CONSEQUENCES[failure.category].falls_back and run.fallback is not None
    if is_retried(failure, log, run):
        is_told_to_wait_long = (failure.retry_after_s or 0) > LONG_WAIT_S
        return NextAction.FALL_BACK if can_fall_back and is_told_to_wait_long else NextAction.RETRY
    return NextAction.FALL_BACK if can_fall_back else NextAction.END


def is_retried(failure: Failure, log: AttemptLog, run: TaskRun) -> bool:
    """Return true if the same operation is retried, by the failures counted so far."""
    if failure.is_worker_lost:
        return log.lost_workers <= MAX_LOST_WORKERS
    return CONSEQUENCES[failure.category].is_retried and log.retries <= run.max_retries
