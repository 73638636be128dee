"""The engine on its own thread, and its cancellation with the calling coroutine."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest
from PIL import Image

from inference_worker.engine.engine_thread import EngineThread
from inference_worker.engine.identity_engine import IdentityEngine
from shared.flux.engine import Edit

_STEP_S = 0.02


def _edit(num_steps: int) -> Edit:
    return Edit("", strength=1, num_steps=num_steps, seed=0)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(_STEP_S / 4)


@pytest.fixture
def slow(engine_executor: Executor) -> EngineThread:
    return EngineThread(IdentityEngine(step_s=_STEP_S), engine_executor)


async def test_cancelled_caller_resumes_after_the_engine_stopped(
    slow: EngineThread, photo: Image.Image
) -> None:
    steps: list[int] = []
    running = asyncio.create_task(
        slow.edit([photo], [_edit(1000)], lambda done, _: steps.append(done))
    )
    await _until(lambda: bool(steps))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    stopped_at = len(steps)
    await asyncio.sleep(3 * _STEP_S)
    assert len(steps) == stopped_at


async def test_second_cancel_still_waits_for_the_engine(
    slow: EngineThread, photo: Image.Image
) -> None:
    steps: list[int] = []
    running = asyncio.create_task(
        slow.edit([photo], [_edit(1000)], lambda done, _: steps.append(done))
    )
    await _until(lambda: bool(steps))
    running.cancel()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    stopped_at = len(steps)
    await asyncio.sleep(3 * _STEP_S)
    assert len(steps) == stopped_at


async def test_call_that_waits_its_turn_is_dropped_at_once(
    slow: EngineThread, photo: Image.Image
) -> None:
    begun, steps = list[int](), list[int]()
    first = asyncio.create_task(slow.edit([photo], [_edit(1000)], lambda *_: begun.append(1)))
    await _until(lambda: bool(begun))
    second = asyncio.create_task(slow.edit([photo], [_edit(5)], lambda done, _: steps.append(done)))
    await asyncio.sleep(0)  # it is queued now
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not first.done()
    first.cancel()
    await asyncio.wait([first])
    assert steps == []


async def test_event_loop_runs_while_the_engine_computes(
    slow: EngineThread, photo: Image.Image
) -> None:
    running = asyncio.create_task(slow.edit([photo], [_edit(5)], lambda *_: None))
    turns = 0
    while not running.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 2  # a blocked loop iterates once or twice


async def test_engine_runs_on_the_executors_thread(photo: Image.Image) -> None:
    names: set[str] = set()
    with ThreadPoolExecutor(1, thread_name_prefix="gpu") as executor:
        engine = EngineThread(IdentityEngine(), executor)
        await asyncio.gather(
            *(
                engine.edit(
                    [photo], [_edit(2)], lambda *_: names.add(threading.current_thread().name)
                )
                for _ in range(3)
            )
        )
    assert names == {"gpu_0"}


async def test_identity_engine_simulates_a_slow_model(
    slow: EngineThread, photo: Image.Image
) -> None:
    started = time.perf_counter()
    await slow.edit([photo], [_edit(5)], lambda *_: None)
    assert time.perf_counter() - started >= 5 * _STEP_S
