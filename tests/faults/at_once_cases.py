"""Cases of kill -9 of the provider worker at each point of many calls that return the result.

The charge and the result are one response: at most one charge a call, and what was stored of it is
used by the next worker.
"""

from collections import Counter
from itertools import cycle, islice

from tests.faults.cases import Case
from tests.faults.clients import Clients, Work, chat_task, vertex_task
from tests.faults.interruptions import (
    WORKER,
    Interrupt,
    after_the_answer,
    after_the_mark,
    after_the_request,
    before_the_mark,
)
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
_UNKNOWN = "not sent again"
_SQL = """SELECT origin_reference AS key, status, service_task_id, errors::text AS errors
FROM tasks WHERE origin_reference = ANY($1)"""


def _works() -> list[Work]:
    """Return pictures by Gemini, and chats with each vendor in turn."""
    chats = islice(cycle(_MODELS.items()), _CHATS)
    return [*(vertex_task() for _ in range(_PICTURES)), *(chat_task(*each) for each in chats)]


def _killed(point: str, interrupt: Interrupt, *, ends: str, charges: int) -> Case:
    """Return a case.

    Args:
        point: its name.
        interrupt: brings all calls to the point and kills the worker.
        ends: status in which every task ends; FAILED: as unknown.
        charges: charges of each task.
    """

    async def sabotage(rig: Rig, clients: Clients) -> None:
        await interrupt(rig, clients, _works())
        await rig.start(WORKER)

    async def check(rig: Rig, clients: Clients) -> str:
        keys = [work.key for work in clients.asked]
        rows = await rig.rows(_SQL, keys)
        ended = Counter(row["status"] for row in rows)
        charged = Counter(rig.fal.ledger.submits[key] for key in keys)
        note = f"{len(keys)} interrupted: {dict(ended)}; tasks by charges: {dict(charged)}"
        assert ended == {ends: TASKS}, note
        assert charged == {charges: TASKS}, note
        for row in rows:
            if ends == "COMPLETED":
                assert row["service_task_id"], f"without the provider's id: {row}"
            else:
                assert _UNKNOWN in row["errors"], f"not told as unknown: {row}"
        return note

    return Case(WORKER, f"{TASKS} calls at once, {point}", sabotage, check)


AT_ONCE: tuple[Case, ...] = (
    _killed("before the mark", before_the_mark, ends="COMPLETED", charges=1),
    _killed("after the mark", after_the_mark, ends="FAILED", charges=0),
    _killed("after the request", after_the_request, ends="FAILED", charges=1),
    _killed("after the stored response", after_the_answer, ends="COMPLETED", charges=1),
)
