"""Named timeouts and retry policies of all workflows.

One is missing here: the run time of an attempt is in the row of its task type.
"""

from datetime import timedelta

from temporalio.common import RetryPolicy

from shared.contracts.enums import AnswerMode, ErrorCategory, ProviderType, TaskType
from shared.contracts.providers import PROVIDERS
from shared.contracts.task_types.table import TASK_TYPES

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""Time without a heartbeat after which a worker counts as lost."""

ONE_ATTEMPT = RetryPolicy(maximum_attempts=1)
"""`run_step` counts and retries attempts, and fetches of pictures, itself: records and retries then
always agree."""

MAX_LOST_WORKERS = 10
"""Attempts that may end with a lost worker before the task fails; they do not count as retries."""

SUBMIT_TIMEOUT = timedelta(seconds=180)
"""Limit of submitting work to a provider that queues it, including its pictures."""
SUBMIT_AT_ONCE_SLACK = timedelta(seconds=60)


def submit_timeout(provider: ProviderType, task_type: TaskType) -> timedelta:
    """Return the limit of a submission; at a provider that responds at once, it does the work."""
    if PROVIDERS[provider].answers is AnswerMode.AT_ONCE:
        return TASK_TYPES[task_type].start_to_close + SUBMIT_AT_ONCE_SLACK
    return SUBMIT_TIMEOUT


SUBMIT_REPEAT_MAX_S = 30.0


def submit_repeat_s(lost: int) -> float:
    """Return the seconds to wait before a submission is repeated.

    Args:
        lost: number of its workers that were lost.
    """
    return min(BACKOFF_COEFFICIENT ** (lost - 1), SUBMIT_REPEAT_MAX_S)


AWAIT_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=30),
    maximum_attempts=2 * MAX_LOST_WORKERS + 1,
)
"""Retries of waiting for a provider: a wait costs nothing, and any worker can resume it."""

WITHDRAW_TIMEOUT = timedelta(seconds=60)
WITHDRAW_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=5)
"""Cancellation at the provider after the waiting activity could not do it; the timeout includes
the wait for a worker."""
RECALL_TIMEOUT = timedelta(seconds=180)
"""The same after a submission was lost, including the wait for its response."""

BACKOFF_INITIAL_S = 1.0
BACKOFF_COEFFICIENT = 2.0
BACKOFF_MAX_S = 60.0
LONG_WAIT_S = 60.0
"""If a provider asks for a longer wait, the task goes to its fallback provider, if it has one."""
RETRY_AFTER_MAX_S = 3600.0
"""Upper bound of the wait that a provider can ask for."""

FETCH_TIMEOUT = timedelta(minutes=5)
"""Limit of fetching all remote pictures of one task."""

SOURCES_PER_FETCH = 20
FETCHES_OF_A_TRAINING = 4
"""A training's remote pictures: so many in one activity, and so many activities at once."""
SOURCES_FETCH_TIMEOUT = timedelta(minutes=30)
"""Limit of such an activity, each picture at its own limit and the wait for a place."""
SOURCES_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
    maximum_attempts=8,
)
"""In the last attempt, two minutes after the first, a URL that still fails is left out."""

CAPTION_TIMEOUT = timedelta(minutes=2)
CAPTIONS_AT_ONCE = 8
CAPTION_TRIES = 3
"""Captions by a model: the limit of one, how many a training requests at once, and how often it
asks for each."""

CROWDED_FIRST_S = 5.0
CROWDED_MAX_S = 60.0


def crowded_wait_s(tries: int, jitter: float) -> float:
    """Return the seconds to wait before an activity is scheduled again for a tenant at its limit.

    Args:
        tries: 1 after the first try.
        jitter: a number from 0 to 1; it spreads activities that were refused together.
    """
    planned = CROWDED_FIRST_S * BACKOFF_COEFFICIENT ** (min(tries, 10) - 1)
    return min(planned, CROWDED_MAX_S) * (0.5 + jitter)


RECONCILE_TIMEOUT = timedelta(minutes=10)
"""Limit of one pass over all open records."""

RECORD_TIMEOUT = timedelta(seconds=10)
"""Limit of one write into the records."""

RECORD_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
)
"""Retries of a write into the records: without end, until the database is back."""

RECORD_LOCAL_RETRY_THRESHOLD = timedelta(seconds=10)
"""Backoff from which a retry becomes a timer on the server and no longer holds a workflow task."""

CONVERSION_SCHEDULE_TO_START = timedelta(seconds=30)
"""Time that an upload waits for a conversion worker; then the client is told to retry."""

CONVERSION_START_TO_CLOSE = timedelta(seconds=150)
"""Limit of one conversion: fetching, converting (at most 90 s), storing."""

CONVERSION_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_attempts=2,
    non_retryable_error_types=[ErrorCategory.TIMEOUT],
)
"""One retry after a lost worker, none after a timeout: a client waits for the upload."""

PREPROCESSING_START_TO_CLOSE = timedelta(days=1)
TRAINING_START_TO_CLOSE = timedelta(days=14)
"""Limits of the stages of a training, for a stage that sends heartbeats but makes no progress."""

STAGE_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
    maximum_attempts=MAX_LOST_WORKERS + 1,
)
"""Temporal retries the preprocessing of a training: each attempt begins anew. The error category
decides which failures are final."""

TRAINING_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
    maximum_attempts=0,
)
"""Retries of a training without limit. The worker ends a series of attempts that leave no newer
state by a final error."""

EVALUATION_SCHEDULE_TO_START = timedelta(seconds=20)
"""Time that a picture waits for an evaluator; a client waits with it."""
EVALUATION_START_TO_CLOSE = timedelta(seconds=90)
EVALUATION_RECORD_TIMEOUT = timedelta(seconds=2)
EVALUATION_RECORD_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2.0, maximum_attempts=4
)
"""Few retries: a client waits for the findings, which must not be delayed by their record."""
EVALUATION_EXECUTION_TIMEOUT = timedelta(seconds=120)

TRAINING_EXECUTION_TIMEOUT = timedelta(days=30)
TASK_EXECUTION_TIMEOUT = timedelta(days=7)
PIPELINE_EXECUTION_TIMEOUT = timedelta(days=14)
"""Upper bounds of whole runs, including the time in queues."""

DELIVERY_TIMEOUT = timedelta(seconds=120)
"""Limit of one delivery activity: the wait for a slot, 30 s of deliveries, 15 s for the last
response, and the records."""

DELIVERY_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=60),
)
"""Retries after a lost worker or an unreachable database. Failed receivers are retried by a
schedule of their own."""

DELIVERY_EXECUTION_TIMEOUT = timedelta(days=30)
"""An unavailable receiver is retried for five days. If a run takes longer than this limit, the
reconciler starts a new one."""


def priority_key(priority: int) -> int:
    """Convert a request's priority (higher runs first) to Temporal's, 1 (first) to 5 (last)."""
    return min(max(3 - priority, 1), 5)


LONG_HISTORY_EVENTS = 8000
"""Number of events from which a run that only waits is continued as new; Temporal's own limit is
51,200."""

UNSERVED_INITIAL_S = 10.0
UNSERVED_MAX_S = 900.0
"""Backoff while no worker supports a task's type, for instance during a deployment."""


def unserved_wait_s(tries: int) -> float:
    """Return the seconds to wait before retrying a task that no worker of its queue supports.

    Args:
        tries: 1 after the first try.
    """
    return min(UNSERVED_INITIAL_S * BACKOFF_COEFFICIENT ** (min(tries, 10) - 1), UNSERVED_MAX_S)


def backoff_s(retry: int, jitter: float, retry_after_s: float | None = None) -> float:
    """Return the seconds to wait before a retry.

    Args:
        retry: 1 for the first retry.
        jitter: a number from 0 to 1; 1 waits the full time, 0 half of it.
        retry_after_s: minimum wait that the provider asked for.
    """
    exponential = BACKOFF_INITIAL_S * BACKOFF_COEFFICIENT ** (retry - 1)
    asked = min(retry_after_s or 0.0, RETRY_AFTER_MAX_S)
    return max(min(exponential, BACKOFF_MAX_S) * (0.5 + jitter / 2), asked)
