"""Cases of kill -9 of the provider worker at each point of many submissions at once.

The ledger of the provider has at most one charge for each task. What a lost worker had stored is
used; of the rest, each task is submitted once by the next worker, or fails as unknown.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.submissions import RemoteWork
from shared.storage.s3 import S3ObjectStore
from tests.faults.cases import Case
from tests.faults.clients import Clients, Work, remote_task
from tests.faults.proxy import NetworkFault, Stall
from tests.faults.racing_workers import RACERS, race
from tests.faults.rig import Rig
from tests.fixtures.gateway import storage_settings

TASKS = 45
"""Submissions that each kill interrupts."""
_RACES = 25
_WORKER = "provider-worker"
_S3_CALLS = 16
"""Requests to the object store that a worker makes at the same time."""
_SLOW_S = 5.0
_LONG_POLLS = 8
_UNKNOWN = "may have accepted the work"

_Interrupt = Callable[[Rig, Clients, Sequence[Work]], Awaitable[None]]

_SQL = """SELECT origin_reference AS key, status, service_task_id, errors::text AS errors
FROM tasks WHERE origin_reference = ANY($1)"""


async def _before_the_mark(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Withhold the conditional writes."""
    link = rig.link(_WORKER, "s3")
    link.impose(NetworkFault(stall=Stall(b"If-None-Match", is_every=True)))
    await clients.submit_all(works)

    async def are_marking() -> bool:
        return link.num_stalled >= _S3_CALLS

    await rig.until(are_marking)
    await rig.kill(_WORKER)
    link.heal()


async def _after_the_mark(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Withhold the requests, each behind its mark."""
    link = rig.link(_WORKER, "fal")
    await _queued(rig, clients, works)
    link.impose(NetworkFault(stall=Stall(b"POST /", is_every=True)))
    await rig.start(_WORKER)

    async def are_sending() -> bool:
        return link.num_stalled == len(works)

    await rig.until(are_sending)
    await rig.kill(_WORKER)
    link.heal()


async def _after_the_request(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Withhold the responses of accepted work."""
    link = rig.link(_WORKER, "fal")
    await _queued(rig, clients, works)
    link.impose(NetworkFault(drops_responses=True))
    await rig.start(_WORKER)

    async def are_accepted() -> bool:
        return all(rig.fal.ledger.submits[work.key] for work in works)

    await rig.until(are_accepted)
    await rig.kill(_WORKER)
    link.heal()


async def _after_the_answer(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Cut the worker off from Temporal, and kill it once it has stored the responses."""
    link = rig.link(_WORKER, "temporal")
    await _queued(rig, clients, works)
    rig.fal.play(*(Fault(on="submit", marker=w.key, delay_s=_SLOW_S, is_taken=True) for w in works))
    await rig.start(_WORKER)

    async def are_sent() -> bool:
        return all(rig.fal.ledger.posts[work.key] for work in works)

    await rig.until(are_sent)
    assert not rig.fal.ledger.submits.keys() & {work.key for work in works}, "too slow"
    link.impose(NetworkFault(is_half_open=True))
    tasks = [clients.accepted[work.key] for work in works]
    await rig.until(lambda: _are_parked(rig, [f"generations/{each}/a1/answer" for each in tasks]))
    await rig.kill(_WORKER)
    link.heal()


async def _are_parked(rig: Rig, keys: Sequence[str]) -> bool:
    store = S3ObjectStore(storage_settings(rig.stack))
    try:
        return all([await store.head(key) for key in keys])
    finally:
        store.close()


async def _while_it_polls(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    rig.fal.play(*(Fault(on="work", marker=work.key, polls=_LONG_POLLS) for work in works))
    await _queued(rig, clients, works)
    await rig.start(_WORKER)

    async def are_polled() -> bool:
        polled = {entry.marker for entry in rig.fal.ledger.entries.values() if entry.polls}
        return polled >= {work.key for work in works}

    await rig.until(are_polled)
    await rig.kill(_WORKER)


async def _queued(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Create the tasks while no worker runs, so that the next one gets all of them at once."""
    await rig.kill(_WORKER)
    await clients.submit_all(works)


def _killed(point: str, interrupt: _Interrupt, *, ends: str, charges: int) -> Case:
    """Return a case.

    Args:
        point: its name.
        interrupt: brings all submissions to the point and kills the worker.
        ends: status in which every task ends; FAILED: as unknown.
        charges: charges of each task.
    """

    async def sabotage(rig: Rig, clients: Clients) -> None:
        await interrupt(rig, clients, [remote_task() for _ in range(TASKS)])
        await rig.start(_WORKER)

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

    return Case(_WORKER, f"{TASKS} submissions, {point}", sabotage, check)


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
    _killed("before the mark", _before_the_mark, ends="COMPLETED", charges=1),
    _killed("after the mark", _after_the_mark, ends="FAILED", charges=0),
    _killed("after the request", _after_the_request, ends="FAILED", charges=1),
    _killed("after the stored response", _after_the_answer, ends="COMPLETED", charges=1),
    _killed("while it polls", _while_it_polls, ends="COMPLETED", charges=1),
    Case(_WORKER, f"{RACERS} workers race for each of {_RACES} submissions", _race),
)
