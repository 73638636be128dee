"""Every task of every provider that queues, through the whole platform, at the sandbox."""

import io
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av
import pytest
from PIL import Image

from local_stack.sandbox import SHOOTIFY_APP
from shared.contracts.enums import AnswerMode, ProviderType, TaskType
from shared.contracts.providers import PROVIDERS
from tests.fixtures.lora_files import lora_bytes
from tests.fixtures.pictures import picture
from tests.fixtures.provider_platform import ProviderPlatform, data_url, golden_body, received_body

_BASE_SIZE = (320, 240)
_IMAGES = "/api/v1/storage/images"
_MP4 = "video/mp4"


@dataclass(frozen=True)
class Inputs:
    """Pictures as data URLs, and stored files by path."""

    base: str
    reference: str
    base_path: str
    reference_path: str
    lora: str


@dataclass(frozen=True)
class Case:
    """A request, and what comes of it.

    Attributes:
        provider: the provider of the task.
        golden: the committed request whose body the sandbox receives.
        body: returns the request's other fields.
        size: of the picture, or of the video's frames.
        video_s: duration of the video; none: a picture.
    """

    provider: ProviderType
    golden: str
    body: Callable[[Inputs], dict[str, Any]]
    size: tuple[int, int]
    video_s: float | None = None


@dataclass(frozen=True)
class Run:
    """A task that has ended, as the API, monitoring and the sandbox know it."""

    record: dict[str, Any]
    monitored: dict[str, Any]
    entry: dict[str, Any]
    charges: list[dict[str, Any]]


def _twice(size: tuple[int, int], factor: int = 2) -> tuple[int, int]:
    return size[0] * factor, size[1] * factor


_FAL, _FASHN = ProviderType.FAL_STANDARD, ProviderType.FASHN_STANDARD
_SQUARE = {"width": 1024, "height": 1024, "seed": 1}
_STEPS = {"num_inference_steps": 28, "guidance_scale": 3.5}
_TALL = {"width": 960, "height": 1280, "seed": 1}
_REFINED: dict[str, Any] = {
    "task_type": "REFINE",
    "upscale_factor": 2,
    "upscale_prompt": "masterpiece",
    "upscale_steps": 18,
    "upscale_seed": 1,
}
_TRY_ON = {"provider_type": "fashn_standard", "poll_interval": 1}
_APP = {
    "provider_type": "fal_standard",
    "fal_app_id": "acme/cutter",
    "additional_static_params": {"scale": 2},
}
CASES = {
    "generation with a LoRA": Case(
        _FAL,
        "fal/flux-lora",
        lambda given: {
            "task_type": "GENERATION",
            "prompt": "a red dress",
            **_SQUARE,
            "config": _STEPS,
            "subject_model_path": given.lora,
        },
        (1024, 1024),
    ),
    "generation from a picture": Case(
        _FAL,
        "fal/flux-lora-i2i",
        lambda given: {
            "task_type": "GENERATION",
            "prompt": "a red dress",
            **_SQUARE,
            "reference_image_data": given.base,
        },
        (1024, 1024),
    ),
    "editing": Case(
        _FAL,
        "fal/kontext",
        lambda given: {
            "task_type": "EDITING",
            "prompt": "replace the jacket",
            **_TALL,
            "base_image": given.base,
            "config": {"safety_tolerance": "2"},
        },
        (880, 1184),
    ),
    "editing with a reference": Case(
        _FAL,
        "fal/kontext-multi",
        lambda given: {
            "task_type": "EDITING",
            "prompt": "dress the first as the second",
            **_TALL,
            "base_image": given.base,
            "reference_images": [given.reference],
        },
        (880, 1184),
    ),
    "refine": Case(
        _FAL,
        "fal/clarity",
        lambda given: (
            _REFINED
            | {
                "base_image_url": given.base,
                "config": {"resemblance": 0.6, "guidance_scale": 4},
            }
        ),
        _twice(_BASE_SIZE),
    ),
    "video from a picture": Case(
        _FAL,
        "fal/kling-v3-i2v",
        lambda given: {
            "task_type": "VIDEO_GENERATION",
            "prompt": "she turns",
            "negative_prompt": "blur",
            "duration_seconds": 7,
            "input_image_data": given.base,
        },
        (320, 240),
        video_s=7,
    ),
    "video from text": Case(
        _FAL,
        "fal/kling-v3-t2v",
        lambda _: {
            "task_type": "VIDEO_GENERATION",
            "prompt": "she turns",
            "config": {"aspect_ratio": "9:16"},
        },
        (180, 320),
        video_s=5,
    ),
    "any app": Case(
        _FAL,
        "fal/app",
        lambda given: {
            "task_type": "EXPERIMENTAL_FAL",
            "fal_app_id": "acme/cutter",
            "fal_parameters": {
                "image_url": given.base_path,
                "layers": [{"of": given.reference_path}, "uploads/b.png"],
                "scale": 1,
            },
            "provider_config": _APP,
        },
        (64, 64),
    ),
    "Shootify refiner": Case(
        ProviderType.FAL_SHOOTIFY_REFINER,
        "fal/shootify",
        lambda given: (
            _REFINED
            | {
                "base_image_url": given.base,
                "face_detail_enabled": True,
                "face_detail_prompt": "sharp eyes",
                "face_detail_seed": 2,
                "provider_config": {
                    "provider_type": "fal_shootify_refiner",
                    "fal_app_id": SHOOTIFY_APP,
                },
            }
        ),
        _twice(_BASE_SIZE),
    ),
    "garment fixer": Case(
        ProviderType.FAL_GARMENT_FIXER,
        "fal/garment",
        lambda given: {
            "task_type": "DETAIL_ENHANCER",
            "base_image": given.base,
            "reference_image": given.reference,
            "detail_label": "collar",
        },
        _BASE_SIZE,
    ),
    "try-on": Case(
        _FASHN,
        "fashn/run-tryon-v1.6",
        lambda given: {
            "task_type": "EDITING",
            "prompt": "wear it",
            "base_image": given.base,
            "reference_images": [given.reference],
            "provider_config": _TRY_ON,
        },
        (864, 1296),
    ),
    "try-on with a prompt": Case(
        _FASHN,
        "fashn/run-tryon-max",
        lambda given: {
            "task_type": "EDITING",
            "prompt": "tuck in shirt",
            "width": 1024,
            "height": 1536,
            "base_image": given.base,
            "reference_images": [given.reference],
            "config": {"model_name": "tryon-max"},
            "provider_config": _TRY_ON,
        },
        (832, 1248),
    ),
    "creative upscaler": Case(
        ProviderType.FREEPIK_MAGNIFIC,
        "magnific/creative",
        lambda given: {
            "task_type": "REFINE",
            "base_image_url": given.base,
            "upscale_factor": 4,
            "upscale_prompt": "studio light",
        },
        _twice(_BASE_SIZE, 4),
    ),
    "precision upscaler": Case(
        ProviderType.FREEPIK_MAGNIFIC_PRECISION,
        "magnific/precision",
        lambda given: {"task_type": "REFINE", "base_image_url": given.base, "upscale_factor": 4},
        _twice(_BASE_SIZE, 4),
    ),
}


@pytest.fixture(scope="module")
async def inputs(providers: ProviderPlatform) -> Inputs:
    api, mark = providers.platform.api, uuid.uuid4().hex
    base, reference = picture(colour="tan", size=_BASE_SIZE), picture(size=(128, 128))
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
    assert record["status"] == "COMPLETED", record
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
        assert response.headers["content-type"] == _MP4
        assert path.startswith("videos/")
        assert _facts_of(content) == (case.size, case.video_s)


@pytest.mark.parametrize("name", CASES)
def test_the_provider_received_the_committed_request(runs: dict[str, Run], name: str) -> None:
    run, expected = runs[name], golden_body(CASES[name].golden)
    if CASES[name].provider is _FASHN:  # our API gives a seed to tasks that name none
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
def test_no_record_has_a_key_or_a_picture(
    providers: ProviderPlatform, runs: dict[str, Run], name: str
) -> None:
    run = runs[name]
    shown = json.dumps([run.record, run.monitored])
    assert providers.key not in shown
    assert "base64" not in shown
    assert "X-Amz" not in shown
    assert max(map(len, shown.split('"'))) < 400


async def test_a_video_is_listed_as_one(providers: ProviderPlatform, runs: dict[str, Run]) -> None:
    record = runs["video from a picture"].record
    path = f"/api/v1/monitoring/tasks/{record['id']}/media"
    media = (await providers.platform.api.get(path)).raise_for_status().json()
    (output,) = media["outputs"]
    assert (output["path"], output["media_type"]) == (record["result_video_path"], "video")


def _facts_of(video: bytes) -> tuple[tuple[int, int], float]:
    """Return the size of a video's frames and its duration in seconds."""
    with av.open(io.BytesIO(video)) as container:
        (stream,) = container.streams.video
        assert container.duration is not None
        return (stream.width, stream.height), container.duration / av.time_base
