"""Rounds of kills of the training worker: each ends with the weights of an unbroken training."""

import random
import time
from collections.abc import AsyncIterator, Sequence

from tests.faults.audit import AuditResult, settle
from tests.faults.cases import Case
from tests.faults.clients import Clients, training
from tests.faults.matrix import Row
from tests.faults.rig import SAMPLE_EVERY, Rig, open_rig
from tests.faults.training_kills import Kill, Moment, kill_trainer
from tests.faults.trainings import WORKER, is_unbroken

STEPS = 80
_STATES = range(SAMPLE_EVERY, STEPS, 2 * SAMPLE_EVERY)
"""A kill soon after a state may come after the next one."""
_NUM_KILLS = (1, 1, 2, 3)


async def kill_trainings(seed: int, num_rounds: int) -> AsyncIterator[Row]:
    """Run rounds on one platform, each audited."""
    if not num_rounds:
        return
    async with open_rig() as rig:
        for number in range(num_rounds):
            row = await _judged_round(rig, random.Random(f"{seed} {number}"))
            yield row
            if not row.is_good:
                return


def some_kills(luck: random.Random) -> list[Kill]:
    """Return one to three kills of one training, in their order."""
    steps = sorted(luck.sample(_STATES, luck.choice(_NUM_KILLS)))
    return [Kill(luck.choice(list(Moment)), step, luck.random() < 0.5) for step in steps]


async def killed_training(rig: Rig, kills: Sequence[Kill], luck: random.Random) -> AuditResult:
    """Run a training through kills, compare its weights, and audit."""
    clients = Clients(rig.api)
    training_id = await clients.submit(training(STEPS))
    for kill in kills:
        await kill_trainer(rig, kill, training_id, luck)
    await is_unbroken(rig, training_id, STEPS)
    return await settle(rig, clients)


async def _judged_round(rig: Rig, luck: random.Random) -> Row:
    kills = some_kills(luck)
    case = Case(WORKER, "; ".join(map(str, kills)), lambda _rig, _clients: _nothing())
    begin = time.monotonic()
    try:
        verdict = await rig.stack.guard(killed_training(rig, kills, luck))
    except Exception as error:  # noqa: BLE001 — shown in its row
        return Row(case, error=f"{type(error).__name__}: {error}", took_s=time.monotonic() - begin)
    return Row(case, verdict, took_s=time.monotonic() - begin)


async def _nothing() -> None:
    """Do nothing: a round is no case of `run_case`."""
