"""Cases of kill -9 of the provider worker at each point of many submissions at once.

The ledger of the provider has at most one charge for each task. What a lost worker had stored is
used; of the rest, each task is submitted once by the next worker, or fails as unknown.
"""

from uuid import uuid4

from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.submissions import RemoteWork
from tests.faults.cases import Case
from tests.faults.clients import Clients, Work, remote_task
from tests.faults.interruptions import (
    WORKER,
    after_the_answer,
    after_the_mark,
    after_the_request,
    before_the_mark,
    while_it_polls,
)
from tests.faults.killed_submissions import killed_case
from tests.faults.racing_workers import RACERS, race
from tests.faults.rig import Rig

TASKS = 45
"""Submissions that each kill interrupts."""
_RACES = 25


def _works() -> list[Work]:
    return [remote_task() for _ in range(TASKS)]


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


_POINTS = (
    ("before the mark", before_the_mark, "COMPLETED", 1),
    ("after the mark", after_the_mark, "FAILED", 0),
    ("after the request", after_the_request, "FAILED", 1),
    ("after the stored response", after_the_answer, "COMPLETED", 1),
    ("while it polls", while_it_polls, "COMPLETED", 1),
)
SUBMISSIONS: tuple[Case, ...] = (
    *(
        killed_case(f"{TASKS} submissions, {point}", interrupt, _works, ends=ends, charges=charges)
        for point, interrupt, ends, charges in _POINTS
    ),
    Case(WORKER, f"{RACERS} workers race for each of {_RACES} submissions", _race),
)
