"""Cases of kill -9 of the provider worker among many submissions, and what comes of each."""

from collections import Counter
from collections.abc import Callable, Sequence

from tests.faults.cases import Case
from tests.faults.clients import Clients, Work
from tests.faults.interruptions import WORKER, Interrupt
from tests.faults.rig import Rig

_UNKNOWN = "may have accepted the work"
RECORDS = """SELECT origin_reference AS key, status, service_task_id, errors::text AS errors
FROM tasks WHERE origin_reference = ANY($1)"""


def killed_case(
    point: str,
    interrupt: Interrupt,
    works: Callable[[], Sequence[Work]],
    *,
    ends: str,
    charges: int,
    within_s: float = 60,
) -> Case:
    """Return a case.

    Args:
        point: its name.
        interrupt: brings all submissions to the point and kills the worker.
        works: returns the submissions.
        ends: status in which every task ends; FAILED: as unknown.
        charges: charges of each task.
        within_s: time in which all of them end.
    """

    async def sabotage(rig: Rig, clients: Clients) -> None:
        await interrupt(rig, clients, works())
        await rig.start(WORKER)

    async def check(rig: Rig, clients: Clients) -> str:
        keys = [work.key for work in clients.asked]
        rows = await rig.rows(RECORDS, keys)
        known = {entry.marker: entry for entry in rig.fal.ledger.entries.values()}
        ended = Counter(row["status"] for row in rows)
        charged = Counter(rig.fal.ledger.submits[key] for key in keys)
        note = f"{len(keys)} interrupted: {dict(ended)}; tasks by charges: {dict(charged)}"
        assert ended == {ends: len(keys)}, note
        assert charged == {charges: len(keys)}, note
        for row in rows:
            if ends == "COMPLETED":
                request_id = known[row["key"]].request_id
                assert request_id in row["service_task_id"], f"not the first request: {row}"
            else:
                assert _UNKNOWN in row["errors"], f"not told as unknown: {row}"
        return note

    return Case(WORKER, point, sabotage, check, within_s=within_s)
