"""Trainings that are cancelled in each stage, and whose worker shuts down."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from local_stack.drawn_garments import draw_dresses
from local_stack.services import SERVICES
from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack
from local_stack.task_examples import data_url
from shared.storage.s3 import S3ObjectStore
from tests.faults.clients import dresses
from tests.faults.held_server import held_server
from tests.fixtures.gateway import storage_settings
from tests.fixtures.platform import Platform

pytestmark = pytest.mark.long

_ENDLESS = 1_000_000
"""Steps that no test waits for."""
_SAMPLE_STEPS = 200
_WITHIN_S = 5.0
"""Limit of a cancellation, from the end of the step that runs."""
_TRAINING = "/api/v1/training/"


@asynccontextmanager
async def _platform() -> AsyncIterator[Platform]:
    overrides = {
        "SARTIQ_TRAINING_SAMPLE_EVERY": str(_ENDLESS),
        "SARTIQ_TRAINING_SAMPLE_STEPS": str(_SAMPLE_STEPS),
        "SARTIQ_EGRESS_ALLOWED_HOSTS": '["127.0.0.1"]',
    }
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="sartiq-stops-")))
        overrides["SARTIQ_TRAINER_CACHE_DIR"] = str(folder / "cache")
        stack = await exits.enter_async_context(
            LocalStack(LocalSettings(state_dir=folder), services=SERVICES, overrides=overrides)
        )
        api = await exits.enter_async_context(
            httpx.AsyncClient(
                base_url=stack.endpoints.gateway_url,
                headers={"Authorization": f"Bearer {stack.api_key}"},
                timeout=30,
                trust_env=False,
            )
        )
        objects = S3ObjectStore(storage_settings(stack))
        exits.callback(objects.close)
        yield Platform(stack, api, objects)


@pytest.fixture(scope="module")
async def stopped() -> AsyncIterator[Platform]:
    async with _platform() as platform:
        yield platform


async def _created(platform: Platform, **fields: Any) -> str:
    body = {
        "trigger_word": "zqx",
        "source_images": dresses(),
        "steps": _ENDLESS,
        "origin_instance": "e2e",
    }
    return (await platform.post(_TRAINING, body | fields))["id"]


async def _until(condition: Callable[[], Awaitable[object]], timeout_s: float = 120) -> None:
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.02)


async def _reaches(platform: Platform, training_id: str, **values: Any) -> None:
    """Wait until fields of the record have values, or where these are functions, satisfy them."""

    async def has_reached() -> bool:
        record = (await platform.api.get(f"{_TRAINING}{training_id}")).json()
        return all(
            value(record[name]) if callable(value) else record[name] == value
            for name, value in values.items()
        )

    await _until(has_reached)


async def _cancel(platform: Platform, training_id: str) -> dict[str, Any]:
    """Cancel a training, which ends within the limit; return its record."""
    answer = await platform.api.post(f"{_TRAINING}{training_id}/cancel")
    assert answer.status_code == 200, answer.text
    async with asyncio.timeout(_WITHIN_S):
        record = await platform.ended(f"{_TRAINING}{training_id}")
    assert record["status"] == "CANCELLED", record["error_message"]
    assert await _run_status(platform, record) == WorkflowExecutionStatus.CANCELED
    return record


async def _run_status(platform: Platform, record: dict[str, Any]) -> WorkflowExecutionStatus | None:
    """Return how the run has ended; no activity of it is left."""
    client = await Client.connect(platform.stack.endpoints.temporal_address)
    handle = client.get_workflow_handle(f"training-{record['id']}")

    async def is_closed() -> bool:
        described = await handle.describe()
        return described.status != WorkflowExecutionStatus.RUNNING

    await _until(is_closed, _WITHIN_S)
    described = await handle.describe()
    assert not described.raw_description.pending_activities
    return described.status


async def _newest_step(platform: Platform, training_id: str) -> int:
    listed = await platform.objects.list(f"trainings/{training_id}/resume/")
    names = [found.key.rpartition("/")[2] for found in listed]
    assert "latest.json" in names
    return max(int(name.split(".")[0]) for name in names if name.endswith(".safetensors"))


async def _is_free(platform: Platform) -> None:
    """Run a short training to its end: the worker has one thread, and nothing else is on it."""
    training_id = await _created(platform, steps=1)
    await platform.completed(f"{_TRAINING}{training_id}")


async def test_cancelled_while_it_trains_or_waits_behind_another(stopped: Platform) -> None:
    running = await _created(stopped)
    await _reaches(stopped, running, status="TRAINING", current_step=lambda step: step > 3)
    queued = await _created(stopped)
    await _reaches(stopped, queued, preprocessing_stage="completed")

    waited = await _cancel(stopped, queued)
    assert waited["current_step"] == 0
    record = await _cancel(stopped, running)

    step = await _newest_step(stopped, running)
    assert step >= record["current_step"] > 3
    assert record["local_model_path"] is None
    log = (await stopped.objects.get(f"trainings/{running}/log.txt")).decode()
    assert f"training stopped after step {step}" in log
    await _is_free(stopped)


async def test_cancelled_while_its_first_samples_are_made(stopped: Platform) -> None:
    prompts = [f"[trigger] {number}" for number in range(10)]
    training_id = await _created(stopped, sample_prompts=prompts)

    async def has_first_sample() -> bool:
        return bool(await stopped.objects.head(f"trainings/{training_id}/samples/0_0.png"))

    await _until(has_first_sample)
    await _cancel(stopped, training_id)

    samples = await stopped.objects.list(f"trainings/{training_id}/samples/")
    assert 0 < len([found for found in samples if found.key.endswith(".png")]) < len(prompts)
    assert await _newest_step(stopped, training_id) == 0
    await _is_free(stopped)


async def test_cancelled_while_a_picture_is_fetched(stopped: Platform) -> None:
    async with held_server(b"", "image/png") as server:
        training_id = await _created(stopped, source_images=[f"{server.url}/picture.png"])
        await asyncio.wait_for(server.arrived.wait(), 60)
        record = await _cancel(stopped, training_id)
        server.released.set()
    assert record["processed_dataset_path"] is None
    await _is_free(stopped)


async def test_cancelled_while_pictures_are_prepared(stopped: Platform) -> None:
    training_id = await _created(
        stopped,
        source_images=[data_url(dress) for dress in draw_dresses(30)],
        # Half a second for each picture.
        preprocessing_transforms=[{"type": "background_removal"}],
    )
    stages = {"validating", "deduplicating", "transforming", "captioning", "bucketing"}
    await _reaches(stopped, training_id, preprocessing_stage=lambda stage: stage in stages)
    record = await _cancel(stopped, training_id)
    assert record["processed_dataset_path"] is None
    assert not await stopped.objects.list(f"trainings/{training_id}/dataset/manifest.json")
    await _is_free(stopped)


async def test_worker_that_shuts_down_hands_over_its_last_step(stopped: Platform) -> None:
    training_id = await _created(stopped)
    await _reaches(stopped, training_id, status="TRAINING", current_step=lambda step: step > 3)
    await stopped.stack.kill("training-worker", signal.SIGTERM)
    step = await _newest_step(stopped, training_id)
    assert step > 3
    await stopped.stack.start("training-worker")

    await _reaches(stopped, training_id, current_step=lambda current: current > step)
    await _cancel(stopped, training_id)
    log = (await stopped.objects.get(f"trainings/{training_id}/log.txt")).decode()
    assert f"resumed from the state of step {step}, bit for bit" in log
