"""Cases of kill -9 of the provider worker at each point of many submissions at once.

The ledger of the provider has at most one charge for each task. What a lost worker had stored is
used; of the rest, each task is submitted once by the next worker, or fails as unknown.
"""

from collections import Counter
from uuid import uuid4

from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.submissions import RemoteWork
from tests.faults.cases import Case
from tests.faults.clients import Clients, remote_task
from tests.faults.interruptions import (
    WORKER,
    Interrupt,
    after_the_answer,
    after_the_mark,
    after_the_request,
    before_the_mark,
    while_it_polls,
)
from tests.faults.racing_workers import RACERS, race
from tests.faults.rig import Rig

TASKS = 45
"""Submissions that each kill interrupts."""
_RACES = 25
_UNKNOWN = "may have accepted the work"

_SQL = """SELECT origin_reference AS key, status, service_task_id, errors::text AS errors
FROM tasks WHERE origin_reference = ANY($1)"""


def _killed(point: str, interrupt: Interrupt, *, ends: str, charges: int) -> Case:
    """Return a case.

    Args:
        point: its name.
        interrupt: brings all submissions to the point and kills the worker.
        ends: status in which every task ends; FAILED: as unknown.
        charges: charges of each task.
    """

    async def sabotage(rig: Rig, clients: Clients) -> None:
        await interrupt(rig, clients, [remote_task() for _ in range(TASKS)])
        await rig.start(WORKER)

    async def check(rig: Rig, clients: Clients) -> str:
        keys = [work.key for work in clients.asked]
        rows = await rig.rows(_SQL, keys)
        ids = {entry.marker: entry.request_id for entry in rig.fal.ledger.entries.values()}
        ended = Counter(row["status"] for row in rows)
        charged = Counter(rig.fal.ledger.submits[key] for key in keys)
        note = f"{len(keys)} interrupted: {dict(ended)}; tasks by charges: {dict(charged)}"
        assert ended == {ends: TASKS}, note
        assert charged == {charges: TASKS}, note
        for row in rows:
            if ends == "COMPLETED":
                assert row["service_task_id"] == ids[row["key"]], f"not the first request: {row}"
            else:
                assert _UNKNOWN in row["errors"], f"not told as unknown: {row}"
        return note

    return Case(WORKER, f"{TASKS} submissions, {point}", sabotage, check)


async def _race(rig: Rig, _clients: Clients) -> None:
    works = [
        RemoteWork(
            task_id=uuid4(),
            attempt=1,
            task_type=TaskType.GENERATION,
            provider_type=ProviderType.FAL_STANDARD,
            inputs={"prompt": uuid4().hex, "width": 64, "height": 64, "seed": 7},
        )
        for _ in range(_RACES)
    ]
    winners: set[str] = set()
    for work, told in zip(works, await race(rig, works), strict=True):
        posts = rig.fal.ledger.posts[work.inputs["prompt"]]
        assert posts == 1, f"{posts} requests for one submission"
        assert len({each.request_id for each in told}) == 1, "not all were told the same id"
        assert len(told) == RACERS
        winners.add(told[0].executor_instance)
    assert len(winners) > 1, "one worker won every race: the others did not take part"


SUBMISSIONS: tuple[Case, ...] = (
    _killed("before the mark", before_the_mark, ends="COMPLETED", charges=1),
    _killed("after the mark", after_the_mark, ends="FAILED", charges=0),
    _killed("after the request", after_the_request, ends="FAILED", charges=1),
    _killed("after the stored response", after_the_answer, ends="COMPLETED", charges=1),
    _killed("while it polls", while_it_polls, ends="COMPLETED", charges=1),
    Case(WORKER, f"{RACERS} workers race for each of {_RACES} submissions", _race),
)
