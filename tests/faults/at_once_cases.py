"""Cases of kill -9 at each point of many calls that return the result, tile edits among them.

The charge and the result are one response: at most one charge a call, and what was stored of it is
used by the next worker.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice

from provider_worker.sandbox.faults import Fault
from tests.faults.audit import same_requests
from tests.faults.cases import Case
from tests.faults.clients import TILES, Clients, Work, chat_task, remote_refinement, vertex_task
from tests.faults.interruptions import (
    WORKER,
    after_the_answer,
    after_the_mark,
    after_the_request,
    before_the_mark,
)
from tests.faults.killed_submissions import RECORDS, killed_case
from tests.faults.proxy import NetworkFault
from tests.faults.rig import Rig

_PICTURES, _CHATS = 20, 25
TASKS = _PICTURES + _CHATS
"""Calls that each kill interrupts."""
_MODELS = {
    "openai": "gpt-4.1",
    "anthropic": "claude-sonnet-4-6",
    "gemini": "gemini-3.1-pro-preview",
    "ollama": "llava",
}
_REFINEMENTS = 5
EDITS = _REFINEMENTS * TILES
"""Tile edits that each kill interrupts."""
_SLOW_S = 3.0
_UNKNOWN_WITHIN_S = 120
"""A lost call counts as unknown once its worker would have stored the response: 60 s here."""


def _works() -> list[Work]:
    """Return pictures by Gemini, and chats with each vendor in turn."""
    chats = islice(cycle(_MODELS.items()), _CHATS)
    return [*(vertex_task() for _ in range(_PICTURES)), *(chat_task(*each) for each in chats)]


async def _edits_under_way(rig: Rig, clients: Clients, *, are_taken: bool) -> list[Work]:
    """Create refinements, and wait until all of their first edits were sent, or accepted."""
    works = [remote_refinement() for _ in range(_REFINEMENTS)]
    rig.fal.play(
        *(
            Fault(on="submit", marker=work.key, times=0, delay_s=_SLOW_S, is_taken=True)
            for work in works
            if not are_taken
        )
    )
    await clients.submit_all(works)
    ledger = rig.fal.ledger

    async def are_sent() -> bool:
        counted = ledger.submits if are_taken else ledger.posts
        return all(counted[marker] >= TILES for marker in _markers(works, counted))

    await rig.until(are_sent, timeout_s=60)
    return works


def _markers(works: Sequence[Work], counted: Counter[str]) -> list[str]:
    """Return the marker of each refinement's edits; its key while there is none."""
    return [next((each for each in counted if work.key in each), work.key) for work in works]


async def _inference_worker_while_edits_run(rig: Rig, clients: Clients) -> None:
    await _edits_under_way(rig, clients, are_taken=False)
    await rig.kill("inference-worker")
    await asyncio.sleep(1.0)
    await rig.start("inference-worker")


async def _provider_worker_after_requests(rig: Rig, clients: Clients) -> None:
    link = rig.link(WORKER, "fal")
    link.impose(NetworkFault(drops_responses=True))
    await _edits_under_way(rig, clients, are_taken=True)
    await rig.kill(WORKER)
    link.heal()
    await rig.start(WORKER)


def _edits_killed(victim: str, point: str, *, ends: str) -> Case:
    """Return a case of kills among the tile edits of refinements.

    Args:
        victim: the process.
        point: the point of the edits.
        ends: status in which every refinement ends.
    """

    async def check(rig: Rig, clients: Clients) -> str:
        keys = [work.key for work in clients.asked]
        rows = await rig.rows(RECORDS, keys)
        ended = Counter(row["status"] for row in rows)
        edits = {
            request: times
            for request, times in same_requests(rig).items()
            if any(key in request[0] for key in keys)
        }
        note = f"{len(edits)} edits: {dict(ended)}; edits by charges: {Counter(edits.values())}"
        assert ended == {ends: _REFINEMENTS}, f"{note}; {[row['errors'] for row in rows]}"
        assert len(edits) >= EDITS, note
        assert set(edits.values()) == {1}, note
        return note

    sabotage = {
        "inference-worker": _inference_worker_while_edits_run,
        WORKER: _provider_worker_after_requests,
    }[victim]
    name = f"{EDITS} tile edits at once, {point}"
    # The first unknown edit ends its task, which then waits for the end of the others.
    return Case(victim, name, sabotage, check, within_s=2 * _UNKNOWN_WITHIN_S)


_POINTS = (
    ("before the mark", before_the_mark, "COMPLETED", 1),
    ("after the mark", after_the_mark, "FAILED", 0),
    ("after the request", after_the_request, "FAILED", 1),
    ("after the stored response", after_the_answer, "COMPLETED", 1),
)
AT_ONCE: tuple[Case, ...] = (
    *(
        killed_case(
            f"{TASKS} calls at once, {point}",
            interrupt,
            _works,
            ends=ends,
            charges=charges,
            within_s=_UNKNOWN_WITHIN_S,
        )
        for point, interrupt, ends, charges in _POINTS
    ),
    _edits_killed("inference-worker", "while they are sent", ends="COMPLETED"),
    _edits_killed(WORKER, "after their requests", ends="FAILED"),
)
