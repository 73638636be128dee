"""Cases of paid work at an external provider, which is submitted once whatever is killed."""

import asyncio
import random

from provider_worker.sandbox.faults import Fault
from tests.faults.cases import Case
from tests.faults.clients import Clients, Work, app_chain, app_task, remote_task, task
from tests.faults.proxy import NetworkFault
from tests.faults.rig import Rig
from tests.fixtures.hostile import hostile_body

_LONG_POLLS = 8


async def _is_taken(rig: Rig, *works: Work) -> None:
    """Wait until the provider has accepted each of them."""

    async def are_taken() -> bool:
        return all(rig.fal.ledger.submits[work.key] for work in works)

    await rig.until(are_taken)


async def _before_id_is_recorded(rig: Rig, clients: Clients) -> None:
    """Lose the provider's response after it has accepted the work."""
    work, other = remote_task(), remote_task()
    link = rig.link("provider-worker", "fal")
    link.impose(NetworkFault(drops_responses=True))
    await clients.submit_all([work, other])
    await _is_taken(rig, work, other)
    await rig.kill("provider-worker")
    link.heal()
    await rig.start("provider-worker")


async def _before_acceptance(rig: Rig, clients: Clients) -> None:
    """Kill the worker while a submission is being sent."""
    work = remote_task()
    rig.fal.play(Fault(on="submit", marker=work.key, delay_s=1.0, is_taken=True))
    await clients.submit(work)

    async def is_sent() -> bool:
        return bool(rig.fal.ledger.posts[work.key])

    await rig.until(is_sent)
    await rig.kill("provider-worker")
    await asyncio.sleep(1.0)
    await rig.start("provider-worker")


async def _is_awaited(rig: Rig, *works: Work) -> None:
    """Wait until the worker has polled the provider for each of them."""

    async def are_awaited() -> bool:
        asked = {entry.marker for entry in rig.fal.ledger.entries.values() if entry.polls}
        return asked >= {work.key for work in works}

    await rig.until(are_awaited)


def _while_it_works(victim: str) -> Case:
    async def sabotage(rig: Rig, clients: Clients) -> None:
        works = [remote_task() for _ in range(5)]
        rig.fal.play(*(Fault(on="work", marker=w.key, polls=_LONG_POLLS) for w in works))
        await clients.submit_all(works)
        await _is_awaited(rig, *works)
        await rig.kill(victim)
        await asyncio.sleep(1.0)
        await rig.start(victim)

    return Case(victim, "while a provider works", sabotage)


def _at_acceptance(victim: str) -> Case:
    """Kill a process at the moment in which the provider accepts the work."""

    async def sabotage(rig: Rig, clients: Clients) -> None:
        works = [remote_task() for _ in range(5)]
        posting = asyncio.create_task(clients.submit_all(works))
        await _is_taken(rig, works[0])
        await rig.kill(victim)
        await asyncio.sleep(1.0)
        await rig.start(victim)
        await posting

    return Case(victim, "when a provider has accepted work", sabotage)


async def _during_upload(rig: Rig, clients: Clients) -> None:
    link = rig.link("provider-worker", "s3")
    put = link.watch(b"image_0.png")
    link.impose(NetworkFault(bytes_per_s=1_000))
    await clients.submit(remote_task())
    await asyncio.wait_for(put.wait(), 30)
    await rig.kill("provider-worker")
    link.heal()
    await rig.start("provider-worker")


async def _hostile_answers(rig: Rig, clients: Clients) -> None:
    """Run apps with invalid responses; other work is done meanwhile."""
    chosen = random.Random(13)
    fields = ("text", "score", "images", "output", "image_path")
    hostile = [
        *(app_task() for _ in range(20)),
        *(app_chain("fal_parameters.value", from_field=field) for field in fields),
        *(app_chain("fal_parameters.value", from_field=f, transform="json") for f in fields),
    ]
    rig.fal.play(*(Fault(on="work", marker=w.key, raw=hostile_body(chosen)) for w in hostile))
    await clients.submit_all(hostile)
    harmless = await clients.submit_all([*(remote_task() for _ in range(5)), task(), task()])

    async def are_done() -> bool:
        rows = await rig.rows("SELECT status FROM tasks WHERE id = ANY($1)", harmless)
        return all(row["status"] == "COMPLETED" for row in rows)

    await rig.until(are_done)


PROVIDER: tuple[Case, ...] = (
    Case("provider-worker", "after accept, before its id is recorded", _before_id_is_recorded),
    Case("provider-worker", "while a submission is on its way", _before_acceptance),
    Case("provider-worker", "during upload", _during_upload),
    Case("provider", "hostile answers", _hostile_answers),
    *(
        kind(victim)
        for kind in (_while_it_works, _at_acceptance)
        for victim in ("provider-worker", "workflow-worker", "temporal", "postgres", "seaweed")
    ),
)
