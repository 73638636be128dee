"""Named timeouts and retry policies; every number that a workflow waits by stands here.

But for one: how long an attempt may run is in its task type's row.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy

from shared.contracts.enums import ErrorCategory

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""Silence after which a worker counts as lost."""

ONE_ATTEMPT = RetryPolicy(maximum_attempts=1)
"""Attempts, and fetches of pictures before them, are counted by `run_step`, so that records and
retries tell the same story."""

MAX_LOST_WORKERS = 10
"""Attempts that may be lost with their worker before the task fails; they are not retries."""

SUBMIT_TIMEOUT = timedelta(seconds=180)
"""Handing work over to a provider, its pictures included."""

AWAIT_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=2 * MAX_LOST_WORKERS + 1,
)
"""Waiting for a provider costs nothing and may be taken up by any worker."""

WITHDRAW_TIMEOUT = timedelta(seconds=60)
WITHDRAW_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=5)
"""Cancelling work at its provider, where its own wait could not; a worker for it included."""

BACKOFF_INITIAL_S = 1.0
BACKOFF_COEFFICIENT = 2.0
BACKOFF_MAX_S = 60.0
LONG_WAIT_S = 60.0
"""A provider that asks for a longer wait leaves the task to its fallback, where there is one."""
RETRY_AFTER_MAX_S = 3600.0
"""What a provider asks for is honoured so far."""

FETCH_TIMEOUT = timedelta(minutes=5)
"""Fetching the remote pictures of one task, all of them."""

CROWDED_FIRST_S = 5.0
CROWDED_MAX_S = 60.0


def crowded_wait_s(tries: int, jitter: float) -> float:
    """Seconds until something is offered again whose tenant has its share under way.

    Args:
        tries: 1 after the first offer.
        jitter: a number from 0 to 1: what was turned away together does not come back together.
    """
    planned = CROWDED_FIRST_S * BACKOFF_COEFFICIENT ** (min(tries, 10) - 1)
    return min(planned, CROWDED_MAX_S) * (0.5 + jitter)


RECONCILE_TIMEOUT = timedelta(minutes=10)
"""One pass over all that has not ended."""

RECORD_TIMEOUT = timedelta(seconds=10)
"""One write into the records."""

RECORD_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
)
"""The records are written however long the database is away."""

RECORD_LOCAL_RETRY_THRESHOLD = timedelta(seconds=10)
"""Past this a retry becomes a timer on the server and no longer holds a workflow task."""

CONVERSION_SCHEDULE_TO_START = timedelta(seconds=30)
"""How long an upload waits for a worker that converts it; then the client is told to come again."""

CONVERSION_START_TO_CLOSE = timedelta(seconds=150)
"""One conversion: fetching, the converter's own limit of 90 s, storing."""

CONVERSION_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_attempts=2,
    non_retryable_error_types=[ErrorCategory.TIMEOUT],
)
"""A lost worker is made up for once; what was slow would be slow again, and an upload waits."""

PREPROCESSING_START_TO_CLOSE = timedelta(days=1)
TRAINING_START_TO_CLOSE = timedelta(days=14)
"""Bounds for what heartbeats cannot tell: a stage that beats and gets nowhere."""

STAGE_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
    maximum_attempts=MAX_LOST_WORKERS + 1,
)
"""A training's stages are retried by Temporal: each attempt resumes where the last one saved. What
no retry helps is told apart by its category."""

EVALUATION_SCHEDULE_TO_START = timedelta(seconds=20)
"""How long a picture waits for an evaluator; a client waits with it."""
EVALUATION_START_TO_CLOSE = timedelta(seconds=90)
EVALUATION_RECORD_TIMEOUT = timedelta(seconds=2)
EVALUATION_RECORD_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_attempts=4
)
"""An answer is not held back for long because it cannot be recorded."""
EVALUATION_EXECUTION_TIMEOUT = timedelta(seconds=120)

TRAINING_EXECUTION_TIMEOUT = timedelta(days=30)
TASK_EXECUTION_TIMEOUT = timedelta(days=7)
PIPELINE_EXECUTION_TIMEOUT = timedelta(days=14)
"""Upper bounds of whole runs, time in queues included."""

DELIVERY_TIMEOUT = timedelta(seconds=120)
"""One activity that delivers events: its wait for a place, 30 s of it, the last answer's 15 s, the
records."""

DELIVERY_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
)
"""Of the activity: a worker or the records were away. Receivers have a schedule of their own."""

DELIVERY_EXECUTION_TIMEOUT = timedelta(days=30)
"""A receiver that takes nothing is called for five days; what takes longer, the reconciler begins
anew."""


def priority_key(priority: int) -> int:
    """Temporal's priority, 1 (first) to 5, of a request's, where a higher number runs first."""
    return min(max(3 - priority, 1), 5)


LONG_HISTORY_EVENTS = 8000
"""So many events, and a run that only waits is continued as new; Temporal's own limit is 51,200."""

UNSERVED_INITIAL_S = 10.0
UNSERVED_MAX_S = 900.0
"""Waiting for a worker that knows a task's type: a deployment that is under way, or a later one."""


def unserved_wait_s(tries: int) -> float:
    """Seconds until a task is offered again that the workers of its queue do not know.

    Args:
        tries: 1 after the first offer.
    """
    return min(UNSERVED_INITIAL_S * BACKOFF_COEFFICIENT ** (min(tries, 10) - 1), UNSERVED_MAX_S)


def backoff_s(retry: int, jitter: float, retry_after_s: float | None = None) -> float:
    """Seconds to wait before a retry.

    Args:
        retry: 1 for the first retry.
        jitter: a number from 0 to 1; 1 waits the full time, 0 half of it.
        retry_after_s: the least wait that the other side asked for.
    """
    exponential = BACKOFF_INITIAL_S * BACKOFF_COEFFICIENT ** (retry - 1)
    asked = min(retry_after_s or 0.0, RETRY_AFTER_MAX_S)
    return max(min(exponential, BACKOFF_MAX_S) * (0.5 + jitter / 2), asked)
