"""Work without room beside its tenant's others is told to come again, and costs no attempt."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.testing import ActivityEnvironment

from shared.contracts.deliveries import DeliveryRun, DeliveryState
from shared.contracts.enums import TaskType
from shared.contracts.inputs import FetchInputs
from shared.db.session import create_engine, create_sessions
from shared.egress.guard import Guard
from shared.errors import TenantLimitError
from shared.settings import DatabaseSettings, PictureLimits
from tests.fakes.object_store import MemoryObjectStore
from workflows.activities.deliver import Courier
from workflows.activities.fetch_inputs import InputFetcher
from workflows.policies import CROWDED_MAX_S, crowded_wait_s

_ID = "00000000-0000-0000-0000-000000000001"


async def _until_present(tasks: list[asyncio.Task[Any]]) -> None:
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_delivery_in_a_crowd_waits_at_its_workflow() -> None:
    nothing: Any = None
    courier = Courier(nothing, nothing, Guard(), timeout_s=1, places=1)

    async def hang(_run: DeliveryRun) -> None:
        await asyncio.Event().wait()

    courier._deliver_for_a_while = hang  # type: ignore[method-assign]
    run = DeliveryRun.model_validate({"subject_id": _ID})

    async def deliver() -> Any:
        return await ActivityEnvironment().run(courier.deliver_pending, run)

    here = [asyncio.create_task(deliver()) for _ in range(courier.slots // 2)]
    await _until_present(here)
    standing = await deliver()
    assert standing.state == DeliveryState.WAITING
    assert 15 <= standing.wait_s <= 45
    assert "its share of this worker" in standing.error
    for task in here:
        task.cancel()


async def test_fetch_in_a_crowd_is_not_tried_again_by_temporal() -> None:
    async def hang(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    sessions = create_sessions(create_engine(DatabaseSettings()))  # connects to nothing
    guard = Guard(resolve=hang)
    fetcher = InputFetcher(sessions, MemoryObjectStore(), guard, PictureLimits(), places=1)
    request = FetchInputs.model_validate(
        {"task_id": _ID, "task_type": TaskType.BACKGROUND_REMOVE, "urls": ["http://a.example/"]}
    )

    async def fetch() -> Any:
        return await ActivityEnvironment().run(fetcher.fetch_inputs, request)

    here = [asyncio.create_task(fetch()) for _ in range(fetcher.slots // 2)]
    await _until_present(here)
    with pytest.raises(TenantLimitError) as crowded:
        await fetch()
    assert crowded.value.is_final
    for task in here:
        task.cancel()


@given(tries=st.integers(1, 10**6), jitter=st.floats(0, 1))
def test_crowds_disperse_and_come_back_within_bounds(tries: int, jitter: float) -> None:
    assert 2.5 <= crowded_wait_s(tries, jitter) <= 1.5 * CROWDED_MAX_S
