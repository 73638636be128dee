"""Cases in which Temporal's responses to the gateway's starts are lost for a while."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.faults.cases import Case
from tests.faults.clients import (
    Clients,
    Work,
    evaluation,
    lora,
    remote_task,
    remote_workflow,
    training,
)
from tests.faults.proxy import NetworkFault
from tests.faults.rig import Rig
from tests.fixtures.pickles import saved, tensors

_SHORT_S, _LONG_S = 14.0, 40.0
"""One start times out within either; within the longer one its repeats do as well."""


def _tasks() -> list[Work]:
    return [remote_task(), remote_task(), replace(remote_task(), is_keyed=False)]


def _workflows() -> list[Work]:
    return [remote_workflow(), replace(remote_workflow(), is_keyed=False)]


def _trainings() -> list[Work]:
    return [training(), replace(training(), is_keyed=False)]


def _evaluations() -> list[Work]:
    return [evaluation(), evaluation()]


def _conversions() -> list[Work]:
    return [lora(saved(tensors()))]


_KINDS: dict[str, Callable[[], Sequence[Work]]] = {
    "a task": _tasks,
    "a workflow": _workflows,
    "a training": _trainings,
    "an evaluation": _evaluations,
    "a LoRA conversion": _conversions,
}


def _lost(name: str, lost_s: float, *kinds: Callable[[], Sequence[Work]]) -> Case:
    async def sabotage(rig: Rig, clients: Clients) -> None:
        link = rig.link("gateway", "temporal")
        link.impose(NetworkFault(drops_responses=True))
        works = [work for kind in kinds for work in kind()]
        posting = asyncio.gather(*(_post(clients, work) for work in works))
        await asyncio.sleep(lost_s)
        link.heal()
        await posting

    return Case("gateway → temporal", f"responses lost for {lost_s:.0f} s at {name}", sabotage)


async def _post(clients: Clients, work: Work) -> None:
    has_record = work.path != evaluation().path and work.file is None
    await (clients.submit(work) if has_record else clients.ask(work))


LOST_RESPONSES: tuple[Case, ...] = (
    *(_lost(f"the start of {name}", _SHORT_S, kind) for name, kind in _KINDS.items()),
    _lost("the start of each kind of run", _LONG_S, *_KINDS.values()),
)
