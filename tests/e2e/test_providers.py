"""Every task of every provider that queues, through the whole platform, at the sandbox."""

import io
import json
import uuid
from dataclasses import dataclass
from typing import Any

import av
import pytest
from PIL import Image

from shared.contracts.enums import AnswerMode, ProviderType, TaskType
from shared.contracts.providers import PROVIDERS
from tests.fixtures.lora_files import lora_bytes
from tests.fixtures.pictures import noise, picture
from tests.fixtures.provider_cases import BASE_SIZE, CASES, Inputs
from tests.fixtures.provider_platform import ProviderPlatform, data_url, golden_body, received_body

_IMAGES = "/api/v1/storage/images"


@dataclass(frozen=True)
class Run:
    """A task that has ended, as the API, monitoring and the sandbox know it."""

    record: dict[str, Any]
    monitored: dict[str, Any]
    entry: dict[str, Any]
    charges: list[dict[str, Any]]


@pytest.fixture(scope="module")
async def inputs(providers: ProviderPlatform) -> Inputs:
    api, mark = providers.platform.api, uuid.uuid4().hex
    base, reference = picture(colour="tan", size=BASE_SIZE), picture(size=(128, 128))
    paths: dict[str, str] = {}
    for name, content in (("base", base), ("reference", reference)):
        paths[name] = f"e2e/{mark}/{name}.png"
        files = {"file": (f"{name}.png", content, "image/png")}
        saved = await api.post(f"{_IMAGES}/{paths[name]}", files=files)
        assert saved.status_code == 201, saved.text
    lora = {"file": (f"{mark}.safetensors", lora_bytes())}
    uploaded = await api.post("/api/v1/lora/upload", files=lora)
    assert uploaded.status_code == 201, uploaded.text
    return Inputs(
        data_url(base),
        data_url(reference),
        paths["base"],
        paths["reference"],
        uploaded.json()["file_path"],
    )


@pytest.fixture(scope="module")
async def runs(providers: ProviderPlatform, inputs: Inputs) -> dict[str, Run]:
    """Create a task of each case, and wait for all of them."""
    before = await providers.ledger()
    created = {
        name: await providers.create(**case.body(inputs), provider_type=case.provider)
        for name, case in CASES.items()
    }
    records = {name: await providers.ended(task) for name, task in created.items()}
    failed = {name: record for name, record in records.items() if record["status"] != "COMPLETED"}
    assert not failed
    ledger = await providers.ledger()
    entries = {entry["request_id"]: entry for entry in ledger["entries"]}
    assert len(entries) - len(before["entries"]) == len(CASES)
    assert ledger["strays"] == before["strays"]
    return {
        name: Run(
            record,
            await providers.monitored(record),
            entries[record["service_task_id"]],
            [each for each in ledger["charges"] if each["request_id"] == record["service_task_id"]],
        )
        for name, record in records.items()
    }


def test_every_provider_that_queues_is_shown_with_every_task_that_it_serves() -> None:
    nothing = Inputs("", "", "", "", "")
    shown = {(case.provider, TaskType(case.body(nothing)["task_type"])) for case in CASES.values()}
    assert shown == {
        (provider, task_type)
        for provider, row in PROVIDERS.items()
        if row.answers is AnswerMode.QUEUED
        for task_type in row.queues
    }


@pytest.mark.parametrize("name", CASES)
async def test_task_completes_with_its_media_in_the_store(
    providers: ProviderPlatform, runs: dict[str, Run], name: str
) -> None:
    case, record = CASES[name], runs[name].record
    (path,) = record.get("result_paths") or [
        record.get("result_image_path") or record["result_video_path"]
    ]
    content = await providers.platform.objects.get(path)
    response = await providers.platform.api.get(
        f"{_IMAGES}/{path}", headers={"Range": "bytes=4-11"}
    )
    assert response.status_code == 206
    assert response.headers["content-range"] == f"bytes 4-11/{len(content)}"
    assert response.content == content[4:12]
    if case.video_s is None:
        assert response.headers["content-type"] == "image/png"
        opened = Image.open(io.BytesIO(content))
        assert (opened.format, opened.mode, opened.size) == ("PNG", "RGB", case.size)
    else:
        assert response.headers["content-type"] == "video/mp4"
        assert path.startswith("videos/")
        assert _facts_of(content) == (case.size, case.video_s)


@pytest.mark.parametrize("name", CASES)
def test_the_provider_received_the_committed_request(runs: dict[str, Run], name: str) -> None:
    run, expected = runs[name], golden_body(CASES[name].golden)
    if (
        CASES[name].provider is ProviderType.FASHN_STANDARD
    ):  # our API gives a seed to tasks that name none
        expected["inputs"]["seed"] = run.record["seed"] % 2**32
    assert received_body(run.entry) == expected


@pytest.mark.parametrize("name", CASES)
def test_one_task_is_one_submission_and_one_charge(runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    (charge,) = run.charges
    (submission,) = [
        request for request in run.monitored["service_requests"] if request["method"] == "POST"
    ]
    assert submission["status"] == 200
    units = [(each["attempt"], each["amount"]) for each in run.record["billed"]]
    # Magnific's responses name no units.
    expected = [] if charge["wire"] == "magnific" else [(1, charge["amount"])]
    assert units == expected
    assert run.monitored["billed"] == run.record["billed"]
    assert all(each["provider"] == CASES[name].provider for each in run.record["billed"])


@pytest.mark.parametrize("name", CASES)
def test_requests_are_logged_from_the_submission_to_the_file(
    runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    log = run.monitored["service_requests"]
    assert [request["method"] for request in log] == ["POST"] + ["GET"] * (len(log) - 1)
    assert run.entry["request_id"] in log[1]["url"]
    assert "/_media/" in log[-1]["url"]
    for request in log:
        assert request["provider"] == CASES[name].provider
        assert request["attempt"] == 1
        assert 200 <= request["status"] < 300
        assert "?" not in request["url"]


@pytest.mark.parametrize("name", CASES)
async def test_neither_record_nor_history_has_a_key_or_a_picture(
    providers: ProviderPlatform, runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    shown = json.dumps([run.record, run.monitored])
    assert providers.key not in shown
    assert "base64" not in shown
    assert "X-Amz" not in shown
    assert max(map(len, shown.split('"'))) < 400
    history = await (await providers.run_of(run.record)).fetch_history()
    kept = b"".join(event.SerializeToString() for event in history.events)
    assert run.entry["request_id"].encode() in kept  # the payloads are readable
    assert providers.key.encode() not in kept
    assert b"base64," not in kept


async def test_a_video_is_listed_as_one(providers: ProviderPlatform, runs: dict[str, Run]) -> None:
    record = runs["video from a picture"].record
    path = f"/api/v1/monitoring/tasks/{record['id']}/media"
    media = (await providers.platform.api.get(path)).raise_for_status().json()
    (output,) = media["outputs"]
    assert (output["path"], output["media_type"]) == (record["result_video_path"], "video")


async def test_a_large_picture_is_read_from_the_store_by_the_provider(
    providers: ProviderPlatform,
) -> None:
    task = await providers.create(
        task_type="DETAIL_ENHANCER",
        provider_type="fal_garment_fixer",
        base_image=data_url(noise(1200)),
        reference_image=data_url(picture(size=(128, 128))),
    )
    ended = await providers.ended(task)
    assert ended["status"] == "COMPLETED", ended
    size, _ = await providers.platform.pixels(ended["result_image_path"])
    assert size == (1200, 1200)
    (given,) = [
        entry["input"]
        for entry in (await providers.ledger())["entries"]
        if entry["request_id"] == ended["service_task_id"]
    ]
    s3 = providers.platform.stack.endpoints.s3_endpoint
    assert given["image_url"].startswith(f"http://{s3}/")
    assert "X-Amz-Signature" in given["image_url"]
    assert given["reference_image_url"].startswith("data:image/png;base64,")
    shown = json.dumps([ended, await providers.monitored(task)])
    assert "X-Amz" not in shown


def _facts_of(video: bytes) -> tuple[tuple[int, int], float]:
    """Return the size of a video's frames and its duration in seconds."""
    with av.open(io.BytesIO(video), "r") as container:
        (stream,) = container.streams.video
        assert container.duration is not None
        return (stream.width, stream.height), container.duration / av.time_base
