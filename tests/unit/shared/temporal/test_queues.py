"""A worker is alive by its status and the age of its last heartbeat."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat

from shared.temporal.queues import is_alive

NOW = datetime(2026, 3, 14, tzinfo=UTC)
RUNNING = WorkerStatus.WORKER_STATUS_RUNNING


@pytest.mark.parametrize(
    ("status", "age_s", "between_beats_s", "expected"),
    [
        (RUNNING, 0, 0, True),
        (RUNNING, 24, 10, True),
        (RUNNING, 26, 10, False),
        (RUNNING, 26, 0, False),
        (RUNNING, 149, 60, True),
        (RUNNING, 151, 60, False),
        (RUNNING, -2, 10, True),  # its clock is ahead of ours
        (WorkerStatus.WORKER_STATUS_SHUTTING_DOWN, 0, 10, False),
        (WorkerStatus.WORKER_STATUS_SHUTDOWN, 0, 10, False),
        (WorkerStatus.WORKER_STATUS_UNSPECIFIED, 0, 10, False),
    ],
)
def test_worker_is_alive_until_its_heartbeat_is_long_overdue(
    status: "WorkerStatus.ValueType", age_s: float, between_beats_s: float, *, expected: bool
) -> None:
    beat = WorkerHeartbeat(status=status)
    beat.heartbeat_time.FromDatetime(NOW - timedelta(seconds=age_s))
    beat.elapsed_since_last_heartbeat.FromTimedelta(timedelta(seconds=between_beats_s))
    assert is_alive(beat, NOW) is expected
