"""Named timeouts and retry policies; every number that a workflow waits by stands here."""

from datetime import timedelta

from temporalio.common import RetryPolicy

from shared.contracts.enums import ErrorCategory, TaskType

START_TO_CLOSE: dict[TaskType, timedelta] = {
    TaskType.GENERATION: timedelta(seconds=600),
    TaskType.EDITING: timedelta(seconds=600),
    TaskType.REFINE: timedelta(seconds=1800),
    TaskType.DETAIL_ENHANCER: timedelta(seconds=1800),
    TaskType.FACE_ENHANCER: timedelta(seconds=1800),
    TaskType.VIDEO_GENERATION: timedelta(seconds=1800),
    TaskType.EXPERIMENTAL_FAL: timedelta(seconds=1800),
    TaskType.LLM_INTERACTION: timedelta(seconds=120),
    TaskType.BACKGROUND_REMOVE: timedelta(seconds=600),
    TaskType.BACKGROUND_FIX: timedelta(seconds=600),
    TaskType.IMAGE_ADJUSTER: timedelta(seconds=600),
}
"""How long one attempt may run, from the worker's pick-up to its result."""

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""Silence after which a worker counts as lost."""

ONE_ATTEMPT = RetryPolicy(maximum_attempts=1)
"""Attempts are counted by `run_step`, so that records and retries tell the same story."""

MAX_LOST_WORKERS = 10
"""Attempts that may be lost with their worker before the task fails; they are not retries."""

BACKOFF_INITIAL_S = 1.0
BACKOFF_COEFFICIENT = 2.0
BACKOFF_MAX_S = 60.0

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

TASK_EXECUTION_TIMEOUT = timedelta(days=7)
PIPELINE_EXECUTION_TIMEOUT = timedelta(days=14)
"""Upper bounds of whole runs, time in queues included."""


def backoff_s(retry: int, jitter: float, retry_after_s: float | None = None) -> float:
    """Seconds to wait before a retry.

    Args:
        retry: 1 for the first retry.
        jitter: a number from 0 to 1; 1 waits the full time, 0 half of it.
        retry_after_s: the least wait that the other side asked for.
    """
    exponential = BACKOFF_INITIAL_S * BACKOFF_COEFFICIENT ** (retry - 1)
    return max(min(exponential, BACKOFF_MAX_S) * (0.5 + jitter / 2), retry_after_s or 0.0)
