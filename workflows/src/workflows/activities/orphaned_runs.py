"""Stopping of open runs whose row has ended, is paused or was deleted."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from temporalio.client import Client

from shared.contracts.enums import TASK_OPEN, TrainingStatus, WorkflowStatus
from shared.contracts.training import ENDED
from shared.db.models.registry import SUBJECT_TABLES
from shared.db.session import Sessions
from workflows.control import cancel_run, keeps_failing, pause_run, terminate_run

_OPEN = frozenset({*TASK_OPEN, *(frozenset(TrainingStatus) - ENDED), WorkflowStatus.RUNNING})
_OPEN_RUNS = "ExecutionStatus = 'Running' AND WorkflowType IN ('Task', 'Pipeline', 'Training')"

_Stop = Callable[[Client, str, str | None], Awaitable[bool]]


async def stop_orphaned_runs(client: Client, sessions: Sessions, before: datetime) -> int:
    """Stop open runs that started before a time and whose row is not open; return their number."""
    stopped = 0
    async for run in client.list_workflows(_OPEN_RUNS):
        stop = await _find_stop(sessions, run.id, before) if run.start_time < before else None
        if stop is not None:
            # By run id: its workflow may have been resumed meanwhile.
            stopped += await stop(client, run.id, run.run_id)
    return stopped


async def _find_stop(sessions: Sessions, temporal_id: str, before: datetime) -> _Stop | None:
    kind, _, name = temporal_id.partition("-")
    table, subject_id = SUBJECT_TABLES.get(kind), _uuid(name)
    if table is None or subject_id is None:  # started by hand, not by the platform
        return None
    rows = select(table.status, table.updated_at).where(table.id == subject_id)
    async with sessions() as session:
        found = (await session.execute(rows)).one_or_none()
    if found is None:
        return _end
    status, updated_at = found
    if status in _OPEN or updated_at >= before:
        return None
    return pause_run if status == WorkflowStatus.PAUSED else _end


async def _end(client: Client, temporal_id: str, run_id: str | None) -> bool:
    """Cancel a run, or terminate it if it is unresponsive."""
    if await keeps_failing(client, temporal_id, run_id):
        await terminate_run(client, temporal_id, run_id)
        return True
    return await cancel_run(client, temporal_id, run_id)


def _uuid(name: str) -> UUID | None:
    try:
        return UUID(name)
    except ValueError:
        return None
