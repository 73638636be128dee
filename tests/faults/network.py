"""Cases of a bad network between two processes: slow, reset, cut and half-open."""

import asyncio

from tests.faults.cases import Case
from tests.faults.clients import Clients, Work, chain, mixture, task, training
from tests.faults.proxy import NetworkFault
from tests.faults.rig import LINKS, Link, Rig

_FOR_S = 2.5
_CUTS_EVERY_S = 0.25
_HALF_OPEN_FOR_S = 5.0
_OVERTAKEN_S = 4.5
"""Longer than the reconciler's grace period; a round trip is shorter than the gateway's timeout."""

_DELAYED = NetworkFault(latency_s=0.4, slow_close_s=0.4)
_RESET = NetworkFault(reset_after_bytes=3_000)
_HALF_OPEN = NetworkFault(is_half_open=True)


def _works(*links: Link) -> list[Work]:
    """Return work that uses the links: a training only where one is the training worker's."""
    trainings = [training()] if any(service == "training-worker" for service, _ in links) else []
    return [*mixture(), *trainings]


async def _under(rig: Rig, clients: Clients, fault: NetworkFault, *links: Link) -> None:
    """Run and submit work before and during the fault."""
    await clients.submit_all(_works(*links))
    for link in links:
        rig.links[link].impose(fault)
    posting = asyncio.create_task(clients.submit_all(_works(*links)))
    await asyncio.sleep(_HALF_OPEN_FOR_S if fault.is_half_open else _FOR_S)
    for link in links:
        rig.links[link].heal()
    await posting


def _imposed(name: str, fault: NetworkFault, *links: Link) -> Case:
    async def sabotage(rig: Rig, clients: Clients) -> None:
        await _under(rig, clients, fault, *links)

    who = links[0][0] if len(links) == 1 else "all"
    return Case(f"{who} → {links[0][1]}", name, sabotage)


def _cut(link: Link) -> Case:
    async def sabotage(rig: Rig, clients: Clients) -> None:
        await clients.submit_all(_works(link))
        posting = asyncio.create_task(clients.submit_all(_works(link)))
        for _ in range(round(_FOR_S / _CUTS_EVERY_S)):
            rig.links[link].cut()
            await asyncio.sleep(_CUTS_EVERY_S)
        await posting

    return Case(f"{link[0]} → {link[1]}", "cut repeatedly", sabotage)


async def _start_overtaken(rig: Rig, clients: Clients) -> None:
    """Delay a start until the reconciler has started the run and the run has ended."""
    link = rig.link("gateway", "temporal")
    link.impose(NetworkFault(latency_s=_OVERTAKEN_S))
    await clients.submit_all([task(), chain(1)])
    link.heal()


def _targets() -> list[tuple[Link, ...]]:
    """Return the links by their target."""
    names = sorted({target for _, target in LINKS})
    return [tuple(link for link in LINKS if link[1] == name) for name in names]


NETWORK: tuple[Case, ...] = (
    *(_imposed("delayed", _DELAYED, link) for link in LINKS),
    *(_imposed("reset after 3 kB", _RESET, link) for link in LINKS),
    *(_cut(link) for link in LINKS),
    Case("gateway → temporal", "a start overtaken", _start_overtaken),
    *(_imposed("half-open", _HALF_OPEN, *links) for links in _targets()),
)
