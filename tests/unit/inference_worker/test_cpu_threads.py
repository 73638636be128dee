"""The worker's thread pool as used by coroutines, and the cancellation of its work."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from temporalio import activity
from temporalio.testing import ActivityEnvironment

from inference_worker.cpu_threads import CpuThreads, gather
from shared.cancellation import CancelFlag, stop_if
from shared.temporal.heartbeat import Heartbeat

_TURNS = 10
"""Iterations of the event loop, many more than a cancellation takes."""


@pytest.fixture
def one_thread() -> Iterator[CpuThreads]:
    with ThreadPoolExecutor(1) as executor:
        yield CpuThreads(executor)


class Job:
    """Work that runs until it is cancelled."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.end = threading.Event()
        self.has_ended = False

    def __call__(self) -> None:
        self.loop.call_soon_threadsafe(self.begun.set)
        self.end.wait(5)
        self.has_ended = True


async def _turns(count: int = _TURNS) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_cancelled_caller_waits_for_running_work(one_thread: CpuThreads) -> None:
    job = Job()
    running = asyncio.create_task(one_thread.run(job))
    await job.begun.wait()
    for _ in range(2):  # a second cancellation changes nothing
        running.cancel()
        await _turns()
        assert not running.done()
    job.end.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert job.has_ended


async def test_queued_work_is_dropped_at_once_on_cancellation(
    one_thread: CpuThreads,
) -> None:
    job = Job()
    begun: list[str] = []
    first = asyncio.create_task(one_thread.run(job))
    await job.begun.wait()
    second = asyncio.create_task(one_thread.run(lambda: begun.append("second")))
    await _turns()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not first.done()
    job.end.set()
    await first
    await one_thread.run(lambda: begun.append("third"))
    assert begun == ["third"]


async def test_long_work_sees_the_cancellation_of_its_caller(one_thread: CpuThreads) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    seen: list[bool] = []

    def until_told(cancel: CancelFlag) -> None:
        assert isinstance(cancel, threading.Event)
        loop.call_soon_threadsafe(begun.set)
        seen.append(cancel.wait(5))
        stop_if(cancel)

    running = asyncio.create_task(one_thread.run_stoppable(until_told))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert seen == [True]


async def test_first_failure_of_many_is_raised_once_the_others_have_ended(
    one_thread: CpuThreads,
) -> None:
    job = Job()

    async def fail() -> None:
        await job.begun.wait()
        raise ValueError("broken")

    together = asyncio.create_task(gather([one_thread.run(job), fail()]))
    await job.begun.wait()
    await _turns()
    assert not together.done()
    job.end.set()
    with pytest.raises(ValueError, match="broken"):
        await together
    assert job.has_ended


async def test_activity_heartbeats_while_its_cancelled_work_ends(one_thread: CpuThreads) -> None:
    """Otherwise Temporal would consider the worker dead, and retry its activity on another one."""
    job = Job()
    environment = ActivityEnvironment()
    beats: asyncio.Queue[None] = asyncio.Queue()
    environment.on_heartbeat = lambda *_: beats.put_nowait(None)

    @activity.defn
    async def compute() -> None:
        async with Heartbeat(every_s=0.001):
            await one_thread.run(job)

    running = asyncio.create_task(_run(environment, compute))
    await job.begun.wait()
    environment.cancel()
    while not beats.empty():
        beats.get_nowait()
    for _ in range(3):
        await asyncio.wait_for(beats.get(), 5)
    assert not running.done()
    job.end.set()
    with pytest.raises(asyncio.CancelledError):
        await running


async def _run(environment: ActivityEnvironment, work: Callable[[], object]) -> object:
    return await environment.run(work)
