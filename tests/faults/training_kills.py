"""Kills of the training worker, each at a point that is known by what it has sent or written."""

import asyncio
import random
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from tests.faults.proxy import NetworkFault, Stall
from tests.faults.rig import Rig
from tests.faults.trainings import WORKER

_WITHIN_S = 120
_SOME_STEPS_S = 0.15
_GLANCE_S = 0.0005
"""Between two looks for a file that exists for milliseconds."""


class Moment(StrEnum):
    """The work of the worker that is killed."""

    STEP = "at a step"
    WRITE = "in a write to its disk"
    UPLOAD = "in an upload of a state"
    COMMIT = "once a state is committed"
    SAMPLE = "while sampling"


@dataclass(frozen=True)
class Kill:
    """A kill after a number of steps.

    Attributes:
        moment: the work that it ends.
        step: of the state, a multiple of `rig.SAMPLE_EVERY`.
        is_disk_lost: the next process has neither cache nor temporary files.
    """

    moment: Moment
    step: int
    is_disk_lost: bool = False

    def __str__(self) -> str:
        lost = ", disk lost" if self.is_disk_lost else ""
        return f"{self.moment} {self.step}{lost}"


def stall_of(kill: Kill, training_id: UUID) -> Stall | None:
    """Return the point of the worker's data to S3 at which it is killed; None: another signal."""
    folder = f"/trainings/{training_id}"
    state = f"{folder}/resume/{kill.step}.safetensors".encode()
    match kill.moment:
        case Moment.UPLOAD:
            # Within the body of the request: the header of the file.
            return Stall(b"sartiq.state", after=state)
        case Moment.COMMIT:
            return Stall(b'{"step":%d' % kill.step, is_forwarded=True)
        case Moment.SAMPLE:
            return Stall(f"{folder}/samples/{kill.step}_0.png".encode())
        case _:
            return None


async def kill_trainer(rig: Rig, kill: Kill, training_id: UUID, luck: random.Random) -> None:
    """Kill the worker at the given point of a training that runs or will run; start another."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            await _reached(rig, kill, training_id, luck)
    except TimeoutError:
        raise AssertionError(f"not reached: {kill}") from None
    await rig.kill(WORKER)
    rig.link(WORKER, "s3").heal()
    if kill.is_disk_lost:
        rig.trainer.empty()
    await rig.start(WORKER)


async def _reached(rig: Rig, kill: Kill, training_id: UUID, luck: random.Random) -> None:
    """Wait until the worker is at the point of a kill."""
    link = rig.link(WORKER, "s3")
    stall = stall_of(kill, training_id)
    if stall is not None:
        link.impose(NetworkFault(stall=stall))
        await link.stalled.wait()
    elif kill.moment is Moment.WRITE:
        while not list(rig.trainer.scratch.glob(f"*/*/*/resume/{kill.step}.safetensors.partial")):
            await asyncio.sleep(_GLANCE_S)
    else:
        await link.watch(f"{training_id}/samples/{kill.step}_0.png".encode()).wait()
        await asyncio.sleep(luck.uniform(0, _SOME_STEPS_S))
