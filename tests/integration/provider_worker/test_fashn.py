"""A try-on at FASHN's sandbox: what is sent, stored, billed and recorded."""

import base64
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from provider_worker.activities import RemoteProviders
from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.submissions import RemoteWork
from shared.errors import InvalidInputError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import noise, picture
from tests.fixtures.provider_adapters import (
    GARMENT,
    PERSON,
    fashn_activities,
    store_inputs,
    try_on_work,
)
from tests.fixtures.remote_work import failure_of, submission, submitted, take, wait_for
from tests.fixtures.sandbox import KEY, OpenSandbox

_AT_ONCE = Fault(on="work", polls=1, times=0)
_NEVER = Fault(on="work", polls=0, times=0)


@pytest.fixture(autouse=True)
async def _inputs(objects: MemoryObjectStore) -> None:
    await store_inputs(objects)


async def _sent(activities: RemoteProviders, fal: OpenSandbox, work: RemoteWork) -> dict[str, Any]:
    await take(activities, work)
    return fal.entry(_marker(work)).input


def _marker(work: RemoteWork) -> str:
    is_max = work.inputs.get("config", {}).get("model_name") == "tryon-max"
    return work.inputs["prompt"] if is_max else str(work.inputs["seed"])


def _picture(url: str) -> Image.Image:
    assert url.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


async def test_a_try_on_is_stored_billed_and_recorded(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    fal.play(_AT_ONCE)
    async with fashn_activities(fal, objects) as activities:
        work = await take(activities, try_on_work(config={"num_samples": 2}))
        result = await wait_for(activities, work)
    keys = [f"editings/{work.task_id}/a1/image_{index}.png" for index in (0, 1)]
    assert result.results == {"result_image_path": keys[0], "result_image_paths": keys}
    assert [file.key for file in result.files] == keys
    for key in keys:
        content, info = objects.objects[key]
        assert info.content_type == "image/png"
        assert Image.open(io.BytesIO(content)).size == (864, 1296)
    assert [(unit.provider, unit.unit, unit.amount) for unit in result.billed] == [
        ("fashn_standard", "credits", 2)
    ]
    made = result.provenance
    assert made is not None
    assert (made.engine, made.model) == ("fashn", "tryon-v1.6")
    assert made.ignored == ["prompt", "width", "height"]
    assert [file.key for file in made.files] == keys
    assert fal.ledger.strays == []
    assert [(r.method, r.url, r.status) for r in work.submission.service_requests] == [
        ("POST", f"{fal.url}/v1/run", 200)
    ]
    told = result.model_dump_json() + work.model_dump_json()
    assert KEY not in told
    assert "base64" not in told


async def test_the_largest_model_is_sent_its_own_fields(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    fal.play(_AT_ONCE)
    config = {"model_name": "tryon-max", "resolution": "2k", "generation_mode": "quality"}
    async with fashn_activities(fal, objects) as activities:
        work = await take(activities, try_on_work(config=config))
        result = await wait_for(activities, work)
    sent = fal.entry("a summer dress").input
    assert (sent["resolution"], sent["aspect_ratio"]) == ("2k", "2:3")
    assert [unit.amount for unit in result.billed] == [2]
    assert result.provenance is not None
    assert (result.provenance.model, result.provenance.ignored) == ("tryon-max", [])
    (listed,) = result.provenance.files
    assert listed.seed == work.inputs["seed"]


@pytest.mark.parametrize(("max_height", "height"), [(256, 256), (300, 300), (8000, 300)])
async def test_both_pictures_are_scaled_to_the_largest_height(
    fal: OpenSandbox, objects: MemoryObjectStore, max_height: int, height: int
) -> None:
    async with fashn_activities(fal, objects) as activities:
        sent = await _sent(activities, fal, try_on_work({"max_image_height": max_height}))
    kind = "JPEG" if height < 300 else "PNG"
    for name in ("model_image", "garment_image"):
        found = _picture(sent[name])
        assert (found.format, found.height) == (kind, height)


async def test_a_picture_that_fits_is_sent_as_it_is(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    content = picture("WEBP", size=(900, 200))
    await objects.put(GARMENT, content, "image/png")  # its content decides on its type
    async with fashn_activities(fal, objects) as activities:
        sent = await _sent(activities, fal, try_on_work())
    expected = "data:image/webp;base64," + base64.b64encode(content).decode()
    assert sent["garment_image"] == expected


async def test_a_large_picture_is_sent_by_url(fal: OpenSandbox, objects: MemoryObjectStore) -> None:
    async with fashn_activities(fal, objects, inline_max_bytes=10, presign_s=60) as activities:
        sent = await _sent(activities, fal, try_on_work())
    assert sent["model_image"] == f"memory://{PERSON}?expires_s=60"
    assert sent["garment_image"] == f"memory://{GARMENT}?expires_s=60"


async def test_a_picture_that_is_large_even_when_scaled_is_stored_for_its_url(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    await objects.put(PERSON, noise(400), "image/png")
    async with fashn_activities(fal, objects, inline_max_bytes=5000) as activities:
        work = try_on_work({"max_image_height": 256})
        sent = await _sent(activities, fal, work)
    key = f"editings/{work.task_id}/a1/sent_base_image.jpeg"
    assert sent["model_image"] == f"memory://{key}?expires_s=86400"
    content, info = objects.objects[key]
    assert (Image.open(io.BytesIO(content)).size, info.content_type) == ((256, 256), "image/jpeg")


async def test_the_interval_of_polls_is_that_of_the_configuration(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with fashn_activities(fal, objects) as activities:
        work = await take(activities, try_on_work({"poll_interval": 1}))
        result = await wait_for(activities, work)
    first, second = [r.at for r in result.service_requests if "/v1/status/" in r.url]
    assert second - first >= timedelta(seconds=1)


@pytest.mark.parametrize(
    ("config", "settings", "timeout_s", "told"),
    [
        ({"max_wait_seconds": 1}, {}, 600, "within 1 s"),
        ({"max_wait_seconds": 900}, {}, 600, "within 600 s"),
        ({}, {"max_wait_s": 2}, 600, "within 2 s"),
        ({"max_wait_seconds": 30}, {}, 7, "within 7 s"),
    ],
)
async def test_the_shortest_limit_ends_the_wait(
    fal: OpenSandbox,
    objects: MemoryObjectStore,
    config: dict[str, Any],
    settings: dict[str, Any],
    timeout_s: float,
    told: str,
) -> None:
    fal.play(_NEVER)
    async with fashn_activities(fal, objects, **settings) as activities:
        work = await take(activities, try_on_work(config | {"poll_interval": 60}))
        past = datetime.now(UTC) - timedelta(seconds=float(told.split()[1]))
        begun = work.submission.model_copy(update={"submitted_at": past})
        late = work.model_copy(update={"submission": begun, "timeout_s": timeout_s})
        error = await failure_of(activities, late)
    assert (error.category, error.is_final) == (Category.TIMEOUT, True)
    assert told in str(error)


async def test_a_wait_ends_at_its_limit_and_not_at_the_next_poll(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    fal.play(_NEVER)
    async with fashn_activities(fal, objects) as activities:
        config = {"poll_interval": 60, "max_wait_seconds": 1}
        work = await take(activities, try_on_work(config))
        error = await failure_of(activities, work)
    assert error.category is Category.TIMEOUT
    assert datetime.now(UTC) - work.submission.submitted_at < timedelta(seconds=60)


async def test_work_at_fashn_cannot_be_cancelled(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with fashn_activities(fal, objects) as activities:
        work = submitted(try_on_work(), submission())
        found = await ActivityEnvironment().run(activities.withdraw_work, work)
    assert not found.is_withdrawn
    assert "cannot be cancelled" in found.message
    assert fal.ledger.requests.total() == 0


async def test_nothing_is_sent_for_a_request_that_is_refused(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with fashn_activities(fal, objects) as activities:
        with pytest.raises(InvalidInputError):
            await take(activities, try_on_work(reference_images=[]))
        await objects.put(PERSON, b"no picture", "image/png")
        with pytest.raises(InvalidInputError, match="base_image is not a PNG"):
            await take(activities, try_on_work())
    assert not fal.ledger.posts
