"""A conversion ends soon, successfully or with an error category."""

from datetime import timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from shared.contracts.enums import ErrorCategory, TaskQueue
from shared.contracts.lora import ConvertedLora
from shared.errors import InvalidInputError, StorageError
from shared.temporal.errors import ErrorInterceptor
from shared.temporal.worker import WorkerSettings
from tests.fakes.converter import FakeConverter
from tests.fakes.records import FakeRecords
from tests.fixtures.workflow_runs import conversion, until_event
from workflows.definitions.convert_lora import ConvertLora
from workflows.worker import build_worker


async def start(client: Client) -> WorkflowHandle[ConvertLora, ConvertedLora]:
    request = conversion()
    return await client.start_workflow(
        ConvertLora.run, request, id=request.workflow_id, task_queue=TaskQueue.WORKFLOWS
    )


async def run(client: Client, converter: FakeConverter) -> ConvertedLora:
    async with (
        build_worker(client, FakeRecords(), WorkerSettings(drain_timeout_s=0.1)),
        Worker(
            client,
            task_queue=TaskQueue.INFERENCE_CPU,
            activities=[converter.convert_lora],
            interceptors=[ErrorInterceptor()],
        ),
    ):
        handle = await start(client)
        try:
            return await handle.result()
        finally:
            replayer = Replayer(workflows=[ConvertLora], data_converter=pydantic_data_converter)
            await replayer.replay_workflow(await handle.fetch_history())


async def test_conversion_returns_the_key_of_the_result(client: Client) -> None:
    converted = await run(client, FakeConverter())
    assert converted.key.startswith("quarantine/")
    assert converted.key.endswith(".safetensors")


async def test_refusal_is_final_and_keeps_its_message(client: Client) -> None:
    async def act(attempt: int) -> None:
        raise InvalidInputError("holds int under 'a'")

    converter = FakeConverter(act)
    with pytest.raises(WorkflowFailureError) as failed:
        await run(client, converter)
    cause = failed.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message) == (ErrorCategory.VALIDATION, "holds int under 'a'")
    assert converter.attempts == 1


async def test_outage_is_retried_once(client: Client) -> None:
    async def act(attempt: int) -> None:
        if attempt == 1:
            raise StorageError("the store was away")

    converter = FakeConverter(act)
    await run(client, converter)
    assert converter.attempts == 2


async def test_conversion_waits_half_a_minute_for_a_worker(client: Client) -> None:
    async with build_worker(client, FakeRecords(), WorkerSettings(drain_timeout_s=0.1)):
        handle = await start(client)
        scheduled = await until_event(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        await handle.terminate()
    attributes = scheduled.activity_task_scheduled_event_attributes
    assert attributes.task_queue.name == TaskQueue.INFERENCE_CPU
    assert attributes.schedule_to_start_timeout.ToTimedelta() == timedelta(seconds=30)
    assert attributes.heartbeat_timeout.ToTimedelta() == timedelta(seconds=10)
