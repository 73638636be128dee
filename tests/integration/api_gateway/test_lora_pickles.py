"""Pickled LoRAs through the real gateway, workflow and converter."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import torch
from safetensors.torch import load_file
from structlog.testing import capture_logs
from temporalio.client import Client, WorkflowHandle

from inference_worker.__main__ import build_worker as build_inference_worker
from inference_worker.activities.lora_conversion import LoraConverter
from shared.contracts.enums import TaskQueue
from shared.contracts.folders import QUARANTINE_FOLDER
from shared.settings import LoraSettings, TemporalSettings
from shared.temporal.client import connect
from shared.temporal.worker import WorkerSettings
from tests.fakes.lost_starts import Fate, Starts, with_starts
from tests.fakes.records import FakeRecords
from tests.fixtures.gateway import Gateway
from tests.fixtures.lora_api import clear, state, upload
from tests.fixtures.lora_files import lora_bytes
from tests.fixtures.namespaces import open_namespace
from tests.fixtures.pickles import fine_files, hostile, saved, tensors
from tests.fixtures.workflow_runs import until
from workflows.worker import build_worker

_SETTINGS = WorkerSettings(drain_timeout_s=0.1)


@dataclass
class Conversion:
    keys: list[str]
    run: WorkflowHandle[Any, Any]
    run_id: str


@pytest.fixture(scope="session")
async def temporal(gateway: Gateway) -> Client:
    """A separate namespace, so that its workers do not take other tests' runs."""
    return await open_namespace(gateway.stack, "lora-tests")


@pytest.fixture
async def api(gateway: Gateway, temporal: Client) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway with both workers polling."""
    await clear(gateway)
    converter = LoraConverter(gateway.resources.objects)
    async with (
        build_worker(temporal, FakeRecords(), _SETTINGS),
        build_inference_worker(
            temporal, TaskQueue.INFERENCE_CPU, [converter.convert_lora], _SETTINGS, slots=2
        ),
        gateway.client(temporal=temporal) as client,
    ):
        client.timeout = httpx.Timeout(60)
        yield client
    await clear(gateway)


@pytest.mark.parametrize(
    ("suffix", "form"), [(".bin", "older format"), (".ckpt", "one level under state_dict")]
)
async def test_pickle_is_kept_as_safetensors(
    gateway: Gateway, api: httpx.AsyncClient, tmp_path: Path, suffix: str, form: str
) -> None:
    content = fine_files()[form]
    answer = await upload(api, content, name=f"dress{suffix}", entity_type="styles")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["partial_path"] == "styles/dress.safetensors"
    assert (body["filename"], body["file_size"]) == (f"dress{suffix}", len(content))
    [lora] = (await api.get("/api/v1/lora/")).json()["loras"]
    assert (lora["rank"], lora["base_model"]) == (4, "FLUX.1")
    path = tmp_path / "lora.safetensors"
    await gateway.resources.objects.get_file(f"loras/sha256/{lora['sha256']}", path)
    assert path.stat().st_size == lora["file_size"]
    kept = load_file(path)
    assert all(torch.equal(kept[name], tensor) for name, tensor in tensors().items())
    assert await gateway.resources.objects.list(f"{QUARANTINE_FOLDER}/") == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("os.system in the zip", "posix.system"),
        ("spawnv_passfds in the zip", "spawnv_passfds"),
        ("second data.pkl", "names an entry twice"),
        ("7z", "neither a zip file nor"),
        ("a number beside tensors", "holds int under 'epoch'"),
    ],
)
async def test_trick_is_refused_with_nothing_kept(
    gateway: Gateway, api: httpx.AsyncClient, tmp_path: Path, name: str, message: str
) -> None:
    mark = tmp_path / "mark"
    before = await state(gateway)
    answer = await upload(api, hostile(mark)[name], name="dress.pt")
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["detail"]
    assert fault["loc"] == ["body", "file"]
    assert message in fault["msg"]
    assert not mark.exists()
    assert await state(gateway) == before


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"model.weight": torch.zeros(2, 2)}, "not part of a LoRA"),
        ({name: torch.full_like(t, float("nan")) for name, t in tensors().items()}, "NaN"),
    ],
    ids=["no LoRA", "not finite"],
)
async def test_converted_file_is_judged_like_any_other(
    gateway: Gateway, api: httpx.AsyncClient, value: object, message: str
) -> None:
    before = await state(gateway)
    answer = await upload(api, saved(value), name="dress.pt")
    assert answer.status_code == 422
    assert message in answer.json()["detail"][0]["msg"]
    assert await state(gateway) == before


async def test_safetensors_under_a_pickles_name_are_refused(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    before = await state(gateway)
    answer = await upload(api, lora_bytes(), name="dress.bin")
    assert answer.status_code == 422
    assert "neither a zip file nor" in answer.json()["detail"][0]["msg"]
    assert await state(gateway) == before


async def test_without_a_worker_the_client_is_told_to_come_again(
    gateway: Gateway, temporal: Client
) -> None:
    before = await state(gateway)
    settings = LoraSettings(conversion_timeout_s=1)
    async with gateway.client(temporal=temporal, lora=settings) as client:
        answer = await upload(client, saved(tensors()), name="dress.pt")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert await state(gateway) == before


async def test_without_temporal_the_client_is_told_to_come_again(gateway: Gateway) -> None:
    before = await state(gateway)
    away = await connect(TemporalSettings(address="127.0.0.1:9"), identity="t", is_lazy=True)
    async with gateway.client(temporal=away) as client:
        answer = await upload(client, saved(tensors()), name="dress.pt")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert await state(gateway) == before


async def unacknowledged(gateway: Gateway, temporal: Client, key: str) -> Conversion:
    """Return an upload whose conversion continued without the gateway's knowledge."""
    lost = with_starts(temporal, Starts(Fate.UNANSWERED))
    async with gateway.client(temporal=lost) as client:
        with capture_logs():  # printing an error with all its frames takes seconds
            answer = await upload(client, saved(tensors()), name="key.pt", key=key)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    keys: list[str] = []

    async def is_converted() -> bool:
        keys[:] = [
            item.key for item in await gateway.resources.objects.list(f"{QUARANTINE_FOLDER}/")
        ]
        return len(keys) == 2

    await until(is_converted)
    run = temporal.get_workflow_handle(f"lora-{keys[0].removeprefix(f'{QUARANTINE_FOLDER}/')}")
    return Conversion(keys, run, (await run.describe()).run_id)


async def test_key_is_one_conversion_though_its_acknowledgement_was_lost(
    gateway: Gateway, temporal: Client, api: httpx.AsyncClient
) -> None:
    key = uuid.uuid4().hex
    conversion = await unacknowledged(gateway, temporal, key)

    answers = [await upload(api, saved(tensors()), name="key.pt", key=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    assert answers[0].json() == answers[1].json()
    [lora] = (await api.get("/api/v1/lora/")).json()["loras"]
    assert lora["filename"] == "key.safetensors"
    assert (await conversion.run.describe()).run_id == conversion.run_id
    assert await gateway.resources.objects.list(f"{QUARANTINE_FOLDER}/") == []


@pytest.mark.long
async def test_conversion_whose_result_is_gone_is_made_again_for_its_key(
    gateway: Gateway, temporal: Client, api: httpx.AsyncClient
) -> None:
    key = uuid.uuid4().hex
    conversion = await unacknowledged(gateway, temporal, key)
    for name in conversion.keys:
        await gateway.resources.objects.delete(name)

    answer = await upload(api, saved(tensors()), name="key.pt", key=key)

    assert answer.status_code == 201, answer.text
    assert (await conversion.run.describe()).run_id != conversion.run_id


async def test_no_converter_outlives_its_upload(api: httpx.AsyncClient) -> None:
    assert (await upload(api, saved(tensors()), name="dress.pt")).status_code == 201
    running: list[str] = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # servers' own come and go
            running.append(" ".join(child.cmdline()))
    assert not [line for line in running if "inference_worker.lora.conversion.convert" in line]
