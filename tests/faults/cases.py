"""Cases of kill -9 of each process at named points; each ends with everything restarted."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from tests.faults.clients import (
    Clients,
    Work,
    chain,
    mixture,
    picture,
    picture_text,
    task,
    training,
)
from tests.faults.held_server import held_server
from tests.faults.proxy import NetworkFault, Stall
from tests.faults.rig import Rig

_AWAY_S = 1.0
"""Seconds between a kill and the restart, so that other processes notice."""

Sabotage = Callable[[Rig, Clients], Awaitable[None]]
Check = Callable[[Rig, Clients], Awaitable[str]]


async def _nothing_more(_rig: Rig, _clients: Clients) -> str:
    return ""


@dataclass(frozen=True)
class Case:
    """One row of the matrix."""

    victim: str
    point: str
    sabotage: Sabotage
    check: Check = _nothing_more
    """Asserts more than the audit once everything has ended, and returns a line for the report."""
    within_s: float = 60
    """Time in which all work ends after the fault."""

    @property
    def name(self) -> str:
        """The name in the matrix and among the tests."""
        return f"{self.victim}: {self.point}"


async def _rows_are_there(rig: Rig, works: Sequence[Work], num_rows: int = 0) -> None:
    """Wait until a number of rows are committed; 0: all."""
    keys = [work.key for work in works]
    sql = """SELECT count(*) AS found FROM (
      SELECT origin_reference AS key FROM tasks
      UNION SELECT origin_reference FROM workflows UNION SELECT trigger_word FROM trainings
    ) AS made WHERE key = ANY($1)"""

    async def are_there() -> bool:
        return (await rig.rows(sql, keys))[0]["found"] >= (num_rows or len(works))

    await rig.until(are_there)


async def _runs(rig: Rig, task_ids: Sequence[UUID]) -> None:
    """Wait until the workers have announced the start of all of these."""

    async def do_run() -> bool:
        rows = await rig.rows("SELECT status FROM tasks WHERE id = ANY($1)", list(task_ids))
        return all(row["status"] != "PENDING" for row in rows)

    await rig.until(do_run)


async def _bounce(rig: Rig, *names: str) -> None:
    await rig.kill(*names)
    await asyncio.sleep(_AWAY_S)
    await rig.start(*names)


# --- the gateway --------------------------------------------------------------------------------


async def _gateway_before_commit(rig: Rig, clients: Clients) -> None:
    work = task()
    link = rig.link("gateway", "postgres")
    link.impose(NetworkFault(stall=Stall(b"COMMIT", after=work.key.encode())))
    posting = asyncio.create_task(clients.submit(work))
    await asyncio.wait_for(link.stalled.wait(), 20)
    await rig.kill("gateway")
    link.heal()
    await rig.start("gateway")
    await posting


async def _gateway_after_commit(rig: Rig, clients: Clients) -> None:
    await _gateway_at_start(rig, clients, NetworkFault(is_half_open=True))


async def _gateway_after_start(rig: Rig, clients: Clients) -> None:
    await _gateway_at_start(rig, clients, NetworkFault(drops_responses=True))


async def _gateway_at_start(rig: Rig, clients: Clients, fault: NetworkFault) -> None:
    """Lose the starts of committed rows, or Temporal's responses, with the gateway.

    Some clients repeat their request, others do not: those rows must be started as well.
    """
    patient = [task(), chain(2), training()]
    impatient = [task(), chain(2)]
    link = rig.link("gateway", "temporal")
    link.impose(fault)
    posts = [asyncio.create_task(clients.submit(work)) for work in patient]
    abandoned = [asyncio.create_task(clients.submit(work)) for work in impatient]
    await _rows_are_there(rig, [*patient, *impatient])
    await rig.kill("gateway")
    for post in abandoned:
        post.cancel()
    link.heal()
    await rig.start("gateway")
    await asyncio.gather(*posts)


async def _gateway_under_load(rig: Rig, clients: Clients) -> None:
    works = [*(task() for _ in range(25)), *(chain(2) for _ in range(5))]
    posting = asyncio.create_task(clients.submit_all(works))
    await _rows_are_there(rig, works, num_rows=8)
    await _bounce(rig, "gateway")
    await posting


async def _gateway_during_upload(rig: Rig, clients: Clients) -> None:
    link = rig.link("gateway", "s3")
    put = link.watch(b"PUT /")
    link.impose(NetworkFault(bytes_per_s=1_000))
    posting = asyncio.create_task(clients.submit(task(reference_image_data=picture_text())))
    await asyncio.wait_for(put.wait(), 20)
    await rig.kill("gateway")
    link.heal()
    await rig.start("gateway")
    await posting


# --- the workflow worker ------------------------------------------------------------------------


async def _workflow_worker_while_work_runs(rig: Rig, clients: Clients) -> None:
    await clients.submit_all([*mixture(), training()])
    await _bounce(rig, "workflow-worker")


async def _workflow_worker_between_steps(rig: Rig, clients: Clients) -> None:
    workflow_id = await clients.submit(chain(4, seconds=0.3))

    async def first_is_done() -> bool:
        sql = "SELECT completed_steps FROM workflows WHERE id = $1"
        return (await rig.rows(sql, workflow_id))[0]["completed_steps"] >= 1

    await rig.until(first_is_done)
    await _bounce(rig, "workflow-worker")


async def _workflow_worker_before_record(rig: Rig, clients: Clients) -> None:
    await _workflow_worker_at_record(rig, clients, is_committed=False)


async def _workflow_worker_after_record(rig: Rig, clients: Clients) -> None:
    await _workflow_worker_at_record(rig, clients, is_committed=True)


async def _workflow_worker_at_record(rig: Rig, clients: Clients, *, is_committed: bool) -> None:
    link = rig.link("workflow-worker", "postgres")
    stall = Stall(b"COMMIT", after=b"COMPLETED", is_forwarded=is_committed)
    link.impose(NetworkFault(stall=stall))
    await clients.submit_all([task(), chain(2)])
    await asyncio.wait_for(link.stalled.wait(), 20)
    await rig.kill("workflow-worker")
    link.heal()
    await rig.start("workflow-worker")


async def _workflow_worker_during_fetch(rig: Rig, clients: Clients) -> None:
    async with held_server(picture(), "image/png") as server:
        await clients.submit(task(reference_image_url=f"{server.url}/picture.png"))
        await asyncio.wait_for(server.arrived.wait(), 20)
        await rig.kill("workflow-worker")
        server.released.set()
        await rig.start("workflow-worker")

        async def is_fetched_again() -> bool:
            return server.num_answered > 0

        await rig.until(is_fetched_again, timeout_s=60)


async def _workflow_worker_during_delivery(rig: Rig, clients: Clients) -> None:
    """Kill the sender after the receiver has read an event, before its response."""
    async with held_server() as receiver:
        await clients.submit(task(webhook_url=f"{receiver.url}/hook"))
        await asyncio.wait_for(receiver.arrived.wait(), 20)
        await rig.kill("workflow-worker")
        receiver.released.set()
        await rig.start("workflow-worker")

        async def end_is_told() -> bool:
            return any(json.loads(body)["status"] == "COMPLETED" for _, body in receiver.requests)

        await rig.until(end_is_told, timeout_s=60)
        ids = [fields["webhook-id"] for fields, _ in receiver.requests]
        assert ids.count(ids[0]) >= 2, "an event without a response is sent again, under its id"


# --- the inference worker -----------------------------------------------------------------------


async def _inference_worker_while_it_computes(rig: Rig, clients: Clients) -> None:
    ids = await clients.submit_all([task(seconds=4), task(seconds=4)])
    await clients.submit(chain(2))
    await _runs(rig, ids)
    await _bounce(rig, "inference-worker")


async def _inference_worker_during_upload(rig: Rig, clients: Clients) -> None:
    link = rig.link("inference-worker", "s3")
    work = task(width=1024, height=1024)
    put = link.watch(b"PUT /")
    link.impose(NetworkFault(bytes_per_s=1_000))
    await clients.submit(work)
    await asyncio.wait_for(put.wait(), 20)
    await asyncio.sleep(0.2)
    await rig.kill("inference-worker")
    link.heal()
    await rig.start("inference-worker")


async def _inference_worker_frozen(rig: Rig, clients: Clients) -> None:
    """Freeze the worker until its attempt is retried, then resume it in the first attempt."""
    ids = await clients.submit_all([task(seconds=3), task(seconds=3)])
    await _runs(rig, ids)
    await rig.freeze("inference-worker", 14)


# --- the servers --------------------------------------------------------------------------------


def _server(name: str) -> list[Case]:
    async def while_work_runs(rig: Rig, clients: Clients) -> None:
        await clients.submit_all([*mixture(), training()])
        await _bounce(rig, name)

    async def under_load(rig: Rig, clients: Clients) -> None:
        encoded = picture_text()
        works = [
            *(task() for _ in range(15)),
            *(task(reference_image_data=encoded) for _ in range(5)),
            *(chain(2) for _ in range(5)),
        ]
        posting = asyncio.create_task(clients.submit_all(works))
        await _rows_are_there(rig, works, num_rows=5)
        await _bounce(rig, name)
        await posting

    return [
        Case(name, "while work runs", while_work_runs),
        Case(name, "while requests come in", under_load),
    ]


async def _seaweed_during_upload(rig: Rig, clients: Clients) -> None:
    link = rig.link("inference-worker", "s3")
    put = link.watch(b"PUT /")
    link.impose(NetworkFault(bytes_per_s=1_000))
    await clients.submit_all([task(width=1024, height=1024), task()])
    await asyncio.wait_for(put.wait(), 20)
    await asyncio.sleep(0.2)
    await rig.kill("seaweed")
    link.heal()
    await asyncio.sleep(_AWAY_S)
    await rig.start("seaweed")


async def _power_cut(rig: Rig, clients: Clients) -> None:
    await clients.submit_all([*mixture(), training()])
    everything = tuple(rig.stack.pids)
    async with asyncio.TaskGroup() as group:
        group.create_task(clients.submit_all([task() for _ in range(10)]))
        await asyncio.sleep(0.1)
        await rig.kill(*everything)
        await rig.start(*everything)


KILLS: tuple[Case, ...] = (
    Case("gateway", "before its commit", _gateway_before_commit),
    Case("gateway", "after commit, before start", _gateway_after_commit),
    Case("gateway", "after start, before the response", _gateway_after_start),
    Case("gateway", "while requests come in", _gateway_under_load),
    Case("gateway", "during upload", _gateway_during_upload),
    Case("workflow-worker", "while work runs", _workflow_worker_while_work_runs),
    Case("workflow-worker", "between steps", _workflow_worker_between_steps),
    Case("workflow-worker", "before an end is committed", _workflow_worker_before_record),
    Case("workflow-worker", "after an end is committed", _workflow_worker_after_record),
    Case("workflow-worker", "while it fetches a picture", _workflow_worker_during_fetch),
    Case("workflow-worker", "during webhook delivery", _workflow_worker_during_delivery),
    Case("inference-worker", "while it computes", _inference_worker_while_it_computes),
    Case("inference-worker", "during upload", _inference_worker_during_upload),
    Case("inference-worker", "frozen for 14 s", _inference_worker_frozen),
    *_server("temporal"),
    *_server("postgres"),
    *_server("seaweed"),
    Case("seaweed", "during upload", _seaweed_during_upload),
    Case("all at once", "power cut", _power_cut),
)
