"""Cases of kills at every stage of a training, which must end with the weights of an unbroken run.

Each ends with everything restarted.
"""

import asyncio
import random
from uuid import UUID

from tests.faults.cases import Case
from tests.faults.clients import Clients, dresses, training
from tests.faults.proxy import NetworkFault, Stall
from tests.faults.rig import SAMPLE_EVERY, Rig
from tests.faults.training_kills import Kill, Moment, kill_trainer
from tests.faults.trainings import WORKER, is_unbroken, newest_state

_STEPS = 20
_WITHIN_S = 120
_FROZEN_S = 14


def _kill(moment: Moment, step: int) -> Case:
    async def sabotage(rig: Rig, clients: Clients) -> None:
        training_id = await clients.submit(training(_STEPS))
        await kill_trainer(rig, Kill(moment, step), training_id, random.Random(step))
        await is_unbroken(rig, training_id, _STEPS)

    return Case(WORKER, f"{moment} {step}", sabotage)


async def _at_stall(rig: Rig, clients: Clients, service: str, stall: Stall) -> UUID:
    """Submit a training, and restart a service when its connection to S3 has stalled."""
    link = rig.link(service, "s3")
    link.impose(NetworkFault(stall=stall))
    training_id = await clients.submit(training(_STEPS))
    await asyncio.wait_for(link.stalled.wait(), _WITHIN_S)
    await rig.kill(service)
    link.heal()
    await rig.start(service)
    return training_id


def _stall(service: str, point: str, stall: Stall) -> Case:
    async def sabotage(rig: Rig, clients: Clients) -> None:
        await is_unbroken(rig, await _at_stall(rig, clients, service, stall), _STEPS)

    return Case(service, point, sabotage)


async def _while_it_encodes(rig: Rig, clients: Clients) -> None:
    await rig.kill(WORKER)
    rig.trainer.empty()
    await rig.start(WORKER)
    training_id = await clients.submit(training(_STEPS))

    async def has_encoded_some() -> bool:
        return any(rig.trainer.cache.glob("*.safetensors"))

    await rig.until(has_encoded_some, timeout_s=_WITHIN_S)
    await rig.kill(WORKER)
    num_encoded = len(list(rig.trainer.cache.glob("*.safetensors")))
    assert num_encoded < len(dresses()), "all is encoded: killed too late"
    await rig.start(WORKER)
    await is_unbroken(rig, training_id, _STEPS)


async def _frozen(rig: Rig, clients: Clients) -> None:
    """Freeze the worker until its attempt counts as lost; it wakes up in it, then gets the next."""
    training_id = await clients.submit(training(_STEPS))
    sampled = rig.link(WORKER, "s3").watch(f"{training_id}/samples/{SAMPLE_EVERY}_0".encode())
    await asyncio.wait_for(sampled.wait(), _WITHIN_S)
    await rig.freeze(WORKER, _FROZEN_S)
    await is_unbroken(rig, training_id, _STEPS)


async def _without_seaweed(rig: Rig, clients: Clients) -> None:
    """Let the store be away while states are due: the training goes on, and uploads them later."""
    training_id = await clients.submit(training(_STEPS))
    sampled = rig.link(WORKER, "s3").watch(f"{training_id}/samples/0_0".encode())
    await asyncio.wait_for(sampled.wait(), _WITHIN_S)
    await rig.kill("seaweed")
    await asyncio.sleep(3)
    await rig.start("seaweed")
    await is_unbroken(rig, training_id, _STEPS)


async def _two_kills_before_a_state(rig: Rig, clients: Clients) -> None:
    """Kill two attempts that leave no state: the third one begins anew."""
    training_id = await clients.submit(training(_STEPS))
    for _ in range(2):
        kill = Kill(Moment.SAMPLE, 0, is_disk_lost=True)
        await kill_trainer(rig, kill, training_id, random.Random(0))
        assert await newest_state(rig, training_id) is None
    await is_unbroken(rig, training_id, _STEPS)


TRAININGS: tuple[Case, ...] = (
    _stall("inference-worker", "while it stores a dataset", Stall(b"/dataset/images.zip")),
    _stall("inference-worker", "while it stores a manifest", Stall(b"/dataset/manifest.json")),
    Case(WORKER, "while it encodes", _while_it_encodes),
    *(_kill(moment, SAMPLE_EVERY) for moment in Moment),
    _kill(Moment.COMMIT, _STEPS),
    _stall(WORKER, "before its result is stored", Stall(b"/loras/sha256/")),
    _stall(WORKER, "once its result is stored", Stall(b"/log.txt", after=b"/loras/sha256/")),
    Case(WORKER, "twice before it has a state", _two_kills_before_a_state),
    Case(WORKER, f"frozen for {_FROZEN_S} s", _frozen),
    Case("seaweed", "while states are due", _without_seaweed),
)
