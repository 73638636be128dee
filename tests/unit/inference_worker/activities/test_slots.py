"""Activities that compute are limited, and those that wait for a provider are not."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from temporalio import activity
from temporalio.common import Priority
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from inference_worker.__main__ import TILED_ACTIVITIES
from inference_worker.activities.slots import ComputingLimit
from shared.errors import CrowdedError


class _Counting(ActivityInboundInterceptor):
    """Counts the activities that run at a time."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.go_on = asyncio.Event()

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 — the SDK's name
        self.running.append(activity.info().activity_type)
        await self.go_on.wait()


async def test_only_so_many_compute_at_a_time() -> None:
    counting = _Counting()
    limited = ComputingLimit(2, waiting=TILED_ACTIVITIES, most_waiting=4).intercept_activity(
        counting
    )

    async def execute() -> None:
        await limited.execute_activity(ExecuteActivityInput(None, (), None, {}))  # type: ignore[arg-type]

    def start(name: str) -> asyncio.Task[None]:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, activity_type=name)
        return asyncio.create_task(environment.run(execute))

    names = ["adjust_image"] * 4 + ["refine_image", "enhance_faces"]
    tasks = [start(name) for name in names]
    while len(counting.running) < 4:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert sorted(counting.running) == [
        "adjust_image",
        "adjust_image",
        "enhance_faces",
        "refine_image",
    ]
    counting.go_on.set()
    await asyncio.gather(*tasks)
    assert counting.running.count("adjust_image") == 4


async def test_those_that_wait_for_a_provider_leave_slots_to_the_others() -> None:
    counting = _Counting()
    limit = ComputingLimit(2, waiting=TILED_ACTIVITIES, most_waiting=4)
    limited = limit.intercept_activity(counting)

    async def execute() -> None:
        await limited.execute_activity(ExecuteActivityInput(None, (), None, {}))  # type: ignore[arg-type]

    def start(tenant: str) -> asyncio.Task[None]:
        environment = ActivityEnvironment()
        environment.info = replace(
            environment.info,
            activity_type="refine_image",
            priority=Priority(fairness_key=tenant),
        )
        return asyncio.create_task(environment.run(execute))

    ones = [start("one") for _ in range(20)]
    for each in ones[2:]:
        with pytest.raises(CrowdedError):
            await each
    other = start("other")
    while len(counting.running) < 3:
        await asyncio.sleep(0)
    counting.go_on.set()
    await asyncio.gather(*ones[:2], other)
    await start("one")
