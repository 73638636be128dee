"""Random kills of processes under load."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from local_stack.services import SERVICES
from tests.faults.audit import AuditResult, settle
from tests.faults.cases import Case
from tests.faults.clients import Clients, Work, chain, remote_task, task, training
from tests.faults.matrix import Row
from tests.faults.rig import SERVERS, Rig, open_rig

KILLS_A_ROUND = 10
"""Kills in a round, after which everything must settle within a minute."""
_NUM_CLIENTS = 4
_PAUSE_S = (0.4, 1.2)
"""Seconds between two requests of a client."""
_CALM_S = (0.2, 3.0)
"""Seconds between a restart and the next kill."""
_AWAY_S = (0.0, 2.0)
"""Seconds between a kill and the restart."""

VICTIMS = (*SERVERS, *(service.name for service in SERVICES))


async def kill_at_random(seed: int, num_kills: int) -> AsyncIterator[Row]:
    """Run rounds of kills on one platform, each audited."""
    if not num_kills:
        return
    chance = random.Random(seed)
    async with open_rig(is_proxied=False) as rig:
        for first in range(0, num_kills, KILLS_A_ROUND):
            kills = min(KILLS_A_ROUND, num_kills - first)
            point = f"kills {first + 1} to {first + kills}"
            case = Case("at random", point, lambda _rig, _clients: asyncio.sleep(0))
            row = await _judged_round(rig, case, chance, kills)
            yield row
            if not row.is_good:
                return


async def _judged_round(rig: Rig, case: Case, chance: random.Random, num_kills: int) -> Row:
    begin = time.monotonic()
    try:
        verdict = await rig.stack.guard(kill_round(rig, chance, num_kills))
    except Exception as error:  # noqa: BLE001 — shown in its row
        return Row(case, error=f"{type(error).__name__}: {error}", took_s=time.monotonic() - begin)
    return Row(case, verdict, took_s=time.monotonic() - begin)


async def kill_round(rig: Rig, chance: random.Random, num_kills: int) -> AuditResult:
    """Kill and restart a number of times under load, then wait until everything settles."""
    clients = Clients(rig.api)
    async with _load(clients, chance):
        for _ in range(num_kills):
            await asyncio.sleep(chance.uniform(*_CALM_S))
            victim = chance.choice(VICTIMS)
            await rig.kill(victim)
            await asyncio.sleep(chance.uniform(*_AWAY_S))
            await rig.start(victim)
    return await settle(rig, clients)


@asynccontextmanager
async def _load(clients: Clients, chance: random.Random) -> AsyncIterator[None]:
    """Submit work until the end, then repeat the requests without a response."""
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(_NUM_CLIENTS):
            # One random state each: the order of clients does not depend on the seed alone.
            luck = random.Random(chance.random() + number)
            group.create_task(_client(clients, luck, is_over))
        try:
            yield
        finally:
            is_over.set()


async def _client(clients: Clients, luck: random.Random, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        await clients.submit(_some_work(luck))
        with suppress(TimeoutError):
            await asyncio.wait_for(is_over.wait(), luck.uniform(*_PAUSE_S))


def _some_work(luck: random.Random) -> Work:
    seconds = luck.choice((0.02, 0.02, 0.02, 0.1, 0.5))
    kind = luck.random()
    if kind < 0.02:
        return training()
    if kind < 0.2:
        return chain(luck.randint(2, 4), seconds / 2)
    return remote_task() if kind < 0.4 else task(seconds)
