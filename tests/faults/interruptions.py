"""Interruptions of the provider worker at each point of many submissions at once."""

from collections.abc import Awaitable, Callable, Sequence

from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES
from shared.storage.s3 import S3ObjectStore
from tests.faults.clients import Clients, Work
from tests.faults.proxy import NetworkFault, Stall
from tests.faults.rig import Rig
from tests.fixtures.gateway import storage_settings

WORKER = "provider-worker"
_S3_CALLS = 16
"""Requests to the object store that a worker makes at the same time."""
_SLOW_S = 8.0
"""Longer than a busy worker takes to send all of them, and shorter than their timeout, 10 s."""
_LONG_POLLS = 8

Interrupt = Callable[[Rig, Clients, Sequence[Work]], Awaitable[None]]
"""Brings all submissions to a point, and kills the worker there."""


async def before_the_mark(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Withhold the conditional writes."""
    link = rig.link(WORKER, "s3")
    link.impose(NetworkFault(stall=Stall(b"If-None-Match", is_every=True)))
    await clients.submit_all(works)

    async def are_marking() -> bool:
        return link.num_stalled >= _S3_CALLS

    await rig.until(are_marking)
    await rig.kill(WORKER)
    link.heal()


async def after_the_mark(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Withhold the requests, each behind its mark."""
    link = rig.link(WORKER, "fal")
    await queued(rig, clients, works)
    link.impose(NetworkFault(stall=Stall(b"POST /", is_every=True)))
    await rig.start(WORKER)

    async def are_sending() -> bool:
        return link.num_stalled == len(works)

    await rig.until(are_sending)
    await rig.kill(WORKER)
    link.heal()


async def after_the_request(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Withhold the responses of accepted work."""
    link = rig.link(WORKER, "fal")
    await queued(rig, clients, works)
    link.impose(NetworkFault(drops_responses=True))
    await rig.start(WORKER)

    async def are_accepted() -> bool:
        return all(rig.fal.ledger.submits[work.key] for work in works)

    await rig.until(are_accepted)
    await rig.kill(WORKER)
    link.heal()


async def after_the_answer(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Cut the worker off from Temporal, and kill it once it has stored the responses."""
    link = rig.link(WORKER, "temporal")
    await queued(rig, clients, works)
    rig.fal.play(*(Fault(on="submit", marker=w.key, delay_s=_SLOW_S, is_taken=True) for w in works))
    await rig.start(WORKER)

    async def are_sent() -> bool:
        return all(rig.fal.ledger.posts[work.key] for work in works)

    await rig.until(are_sent)
    assert not rig.fal.ledger.submits.keys() & {work.key for work in works}, "too slow"
    link.impose(NetworkFault(is_half_open=True))
    keys = [_answer_of(work, clients) for work in works]
    await rig.until(lambda: _are_parked(rig, keys))
    await rig.kill(WORKER)
    link.heal()


def _answer_of(work: Work, clients: Clients) -> str:
    row = TASK_TYPES[TaskType(work.body["task_type"])]
    return f"{row.attempt_folder(clients.accepted[work.key], 1)}/answer"


async def _are_parked(rig: Rig, keys: Sequence[str]) -> bool:
    store = S3ObjectStore(storage_settings(rig.stack))
    try:
        return all([await store.head(key) for key in keys])
    finally:
        store.close()


async def while_it_polls(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Kill the worker once it has polled for all of them."""
    rig.fal.play(*(Fault(on="work", marker=work.key, polls=_LONG_POLLS) for work in works))
    await queued(rig, clients, works)
    await rig.start(WORKER)

    async def are_polled() -> bool:
        polled = {entry.marker for entry in rig.fal.ledger.entries.values() if entry.polls}
        return polled >= {work.key for work in works}

    await rig.until(are_polled)
    await rig.kill(WORKER)


async def queued(rig: Rig, clients: Clients, works: Sequence[Work]) -> None:
    """Create the tasks while no worker runs, so that the next one gets all of them at once."""
    await rig.kill(WORKER)
    await clients.submit_all(works)
