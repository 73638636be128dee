"""The audit after a fault: accepted work has ended, once, and nothing is left over."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import asyncpg
import httpx
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from tests.faults.clients import Clients
from tests.faults.rig import Rig

WITHIN_S = 60.0
_PATIENCE = 3
"""Trainings take that many times as long as other work on a busy machine."""
_POLL_S = 0.25
_KINDS = ("Task", "Pipeline", "Training", "Evaluation", "LoraConversion", "EditPicture")
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
_AWAY = (OSError, RPCError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_ENDS = """
WITH mine AS (
  SELECT id, 'task' AS kind, status, completed_at FROM tasks
  WHERE id = ANY($1) OR workflow_id = ANY($1) AND NOT (
    -- Steps after a failed one wait for a resume.
    status = 'PENDING' AND workflow_id IN (SELECT id FROM workflows WHERE status = 'FAILED')
  )
  UNION ALL SELECT id, 'workflow', status, completed_at FROM workflows WHERE id = ANY($1)
  UNION ALL SELECT id, 'training', status, completed_at FROM trainings WHERE id = ANY($1)
)
SELECT mine.id, kind, mine.status, completed_at,
       count(events.id) AS num_events, max(seq) AS last_seq,
       count(*) FILTER (WHERE is_terminal) AS num_ends,
       count(*) FILTER (WHERE payload->>'status' = 'FAILED') AS num_failures
FROM mine LEFT JOIN events ON events.subject_id = mine.id
GROUP BY mine.id, kind, mine.status, completed_at
"""

_WHY = """
SELECT id, left(errors::text, 600) AS errors FROM tasks WHERE id = ANY($1) AND status = 'FAILED'
UNION ALL
SELECT id, left(errors::text, 600) FROM workflows WHERE id = ANY($1) AND status = 'FAILED'
UNION ALL
SELECT id, left(error_message, 600) FROM trainings WHERE id = ANY($1) AND status = 'FAILED'
"""

_OPEN_ROWS = """
SELECT temporal_id FROM tasks WHERE workflow_id IS NULL AND status IN ('PENDING', 'EXECUTING')
UNION ALL SELECT temporal_id FROM workflows WHERE status = 'RUNNING'
UNION ALL SELECT temporal_id FROM trainings
          WHERE status IN ('PENDING', 'PREPROCESSING', 'TRAINING')
UNION ALL SELECT 'step task-' || tasks.id FROM tasks JOIN workflows ON workflows.id = workflow_id
          WHERE tasks.status IN ('PENDING', 'EXECUTING')
            AND workflows.status IN ('COMPLETED', 'CANCELLED')
"""

_MADE = """
SELECT key, count(*) AS times FROM (
  SELECT origin_reference AS key FROM tasks
  WHERE workflow_id IS NULL AND status = 'COMPLETED' AND origin_reference = ANY($1)
  UNION ALL SELECT origin_reference FROM workflows
            WHERE status = 'COMPLETED' AND origin_reference = ANY($1)
  UNION ALL SELECT trigger_word FROM trainings
            WHERE status = 'COMPLETED' AND trigger_word = ANY($1)
  -- The LoRA of a training has its name; there must not be two of one training either.
  UNION ALL SELECT 'LoRA of training ' || training_id FROM loras
            WHERE training_id = ANY($2)
  UNION ALL SELECT split_part(original_filename, '.', 1) FROM loras
            WHERE training_id IS NULL AND split_part(original_filename, '.', 1) = ANY($1)
) AS made GROUP BY key
"""


@dataclass(frozen=True)
class AuditResult:
    """The findings once all work has settled, or at the time limit."""

    num_accepted: int
    num_completed: int
    """Those of them that completed; another end is no loss, and is shown."""
    slowest_s: float
    """The longest time to completion of work other than trainings, from the restart, or from the
    acceptance where that was later."""
    failed: list[str] = field(default_factory=list)
    """Local work that ended FAILED, which no kill should cause. Paid work may fail: where it is
    unknown whether the provider has accepted it, it is not sent again."""
    num_responses_500: int = 0
    """Responses of 500, which mean a bug: an outage is 503."""
    lost: list[str] = field(default_factory=list)
    """Work without a record, or with a wrong one."""
    paid_twice: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    """Keys with more than one record."""
    stuck: list[str] = field(default_factory=list)
    """Work that has not ended, or runs without an open record."""
    is_training: bool = False
    """True if trainings have not ended yet, and all other work has."""
    within_s: float = WITHIN_S
    """Limit of `slowest_s`."""
    note: str = ""
    """The line of the case's own check."""

    @property
    def is_good(self) -> bool:
        """True where the four columns are zero, no local work failed and no response was 500."""
        return not self.complaints

    @property
    def zeros(self) -> tuple[list[str], ...]:
        """The columns of the matrix, in order."""
        return self.lost, self.paid_twice, self.duplicated, self.stuck

    @property
    def is_settled(self) -> bool:
        """True where waiting would change nothing."""
        return not (self.lost or self.stuck)

    @property
    def complaints(self) -> list[str]:
        """All findings as text."""
        return [
            *(f"lost: {each}" for each in self.lost),
            *(f"paid twice: {each}" for each in self.paid_twice),
            *(f"duplicated: {each}" for each in self.duplicated),
            *(f"stuck: {each}" for each in self.stuck),
            *(f"failed: {each}" for each in self.failed),
            *([f"late: {self.slowest_s:.1f} s"] if self.slowest_s > self.within_s else []),
            *([f"500 responses: {self.num_responses_500} times"] if self.num_responses_500 else []),
        ]


async def settle(rig: Rig, clients: Clients, *, within_s: float = WITHIN_S) -> AuditResult:
    """Wait until all work has ended, and return the findings.

    Args:
        rig: the platform.
        clients: what was asked of it.
        within_s: the limit; three times as long if nothing but trainings runs, whose own work takes
            most of a minute.
    """
    begin = time.monotonic()
    while True:
        try:
            verdict = replace(await _judge(rig, clients), within_s=max(within_s, WITHIN_S))
        except _AWAY as error:
            if time.monotonic() - begin > within_s:
                raise AssertionError("the platform does not respond after its restart") from error
        else:
            limit_s = within_s * (_PATIENCE if verdict.is_training else 1)
            if verdict.is_settled or time.monotonic() - begin > limit_s:
                return verdict
        await asyncio.sleep(_POLL_S)


async def _judge(rig: Rig, clients: Clients) -> AuditResult:
    ids = list(clients.accepted.values())
    ends = await rig.rows(_ENDS, ids)
    statuses = {row["id"]: row["status"] for row in ends}
    still = [f"{_name(row)} is {row['status']}" for row in ends if row["status"] not in _ENDED]
    made = await rig.rows(_MADE, [work.key for work in clients.asked], ids)
    why: dict[UUID, str] = {row["id"]: row["errors"] for row in await rig.rows(_WHY, ids)}
    times: dict[str, int] = {row["key"]: row["times"] for row in made}
    lost = [f"{missing} has no record" for missing in set(ids) - statuses.keys()]
    lost += [complaint for row in ends if (complaint := _complaint(row))]
    lost += [f"no LoRA {w.key}" for w in clients.asked if w.file and w.key not in times]
    if not (lost or still):
        lost = await _seen_otherwise(rig.api, clients, statuses)
    return AuditResult(
        num_accepted=len(clients.taken),
        # An evaluation or a LoRA has no record that ends: its client has waited for it.
        num_completed=sum(statuses.get(each) == "COMPLETED" for each in ids)
        + len(clients.taken - clients.accepted.keys()),
        slowest_s=_slowest_s(rig, clients, ends),
        num_responses_500=clients.answers[500],
        failed=[
            f"{work.path}{subject}: {why.get(subject)}"
            for work in clients.asked
            if (subject := clients.accepted.get(work.key))
            and statuses.get(subject) == "FAILED"
            and not work.is_remote
        ],
        lost=lost,
        paid_twice=[
            f"{times} submissions to the provider for the key {key}"
            for key, times in _paid(rig, clients).items()
            if times > 1
        ],
        duplicated=[
            f"{times[key]} records COMPLETED for the key {key}" for key in times if times[key] > 1
        ],
        stuck=still + await _orphans(rig),
        is_training=bool(still) and all(each.startswith("training ") for each in still),
    )


def _paid(rig: Rig, clients: Clients) -> Counter[str]:
    """Return how often the same submission was paid for, by key."""
    paid: Counter[str] = Counter()
    for (marker, _), times in same_requests(rig).items():
        for work in clients.asked:
            if work.key in marker:
                paid[work.key] = max(paid[work.key], times)
    return paid


def same_requests(rig: Rig) -> Counter[tuple[str, str]]:
    """Return the number of charges by marker and input, which differs from tile to tile."""
    return Counter(
        (entry.marker, json.dumps(entry.input, sort_keys=True))
        for entry in rig.fal.ledger.entries.values()
    )


def _slowest_s(rig: Rig, clients: Clients, ends: Sequence[asyncpg.Record]) -> float:
    return max(
        (
            row["completed_at"].timestamp() - max(rig.well_since, clients.accepted_at[row["id"]])
            for row in ends
            if row["completed_at"]
            and row["id"] in clients.accepted_at
            and row["kind"] != "training"
        ),
        default=0,
    )


def _name(row: asyncpg.Record) -> str:
    return f"{row['kind']} {row['id']}"


def _complaint(row: asyncpg.Record) -> str | None:
    name, status = _name(row), row["status"]
    if status not in _ENDED:
        return None
    # A failed workflow may be resumed, so its failure event need not be terminal.
    is_resumable = row["kind"] == "workflow" and status == "FAILED"
    num_ends = row["num_failures"] if is_resumable else row["num_ends"]
    if num_ends != 1:
        return f"{name} is {status} with {num_ends} terminal events"
    if row["num_events"] != row["last_seq"]:
        return f"{name} has {row['num_events']} events, numbered up to {row['last_seq']}"
    return None


async def _seen_otherwise(
    api: httpx.AsyncClient, clients: Clients, statuses: Mapping[UUID, str]
) -> list[str]:
    """Return the differences between the API and the records."""
    gate = asyncio.Semaphore(8)

    async def look(work_path: str, subject: UUID) -> str | None:
        async with gate:
            try:
                answer = await api.get(f"{work_path}{subject}")
            except httpx.TransportError as error:
                return f"{subject} cannot be read: {error!r}"
        if answer.status_code != 200:
            return f"{subject} is answered {answer.status_code}"
        seen = answer.json()["status"]
        return None if seen == statuses[subject] else f"{subject} is shown as {seen}"

    paths = {work.key: work.path for work in clients.asked}
    looks = (look(paths[key], subject) for key, subject in clients.accepted.items())
    return [complaint for complaint in await asyncio.gather(*looks) if complaint]


async def _orphans(rig: Rig) -> list[str]:
    """Return runs whose record has ended, records without a run, and open work."""
    open_rows = {row["temporal_id"] for row in await rig.rows(_OPEN_ROWS)}
    kinds = ", ".join(f"'{kind}'" for kind in _KINDS)
    query = f"ExecutionStatus = 'Running' AND WorkflowType IN ({kinds})"
    open_runs = {run.id async for run in rig.temporal.list_workflows(query)}
    # The list lags: it may miss an open run, or show a closed one.
    open_runs = {run for run in open_runs | open_rows if await _is_open(rig.temporal, run)}
    return [
        *(f"{name} runs, its record has ended" for name in open_runs - open_rows),
        *(f"{name} is open without a run" for name in open_rows - open_runs),
        *(f"{name} still runs" for name in open_rows & open_runs),
    ]


async def _is_open(client: Client, temporal_id: str) -> bool:
    try:
        found = await client.get_workflow_handle(temporal_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return False
        raise
    return found.status == WorkflowExecutionStatus.RUNNING
