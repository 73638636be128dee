"""Upscaling at Magnific's sandbox: what is sent, stored and recorded."""

import base64
import io
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from provider_worker.sandbox.faults import Fault
from provider_worker.sandbox.ledger import Entry
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.enums import ProviderType
from shared.errors import InvalidInputError, PlatformError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import picture
from tests.fixtures.provider_adapters import (
    PERSON,
    magnific_activities,
    refine_work,
    store_inputs,
)
from tests.fixtures.remote_work import failure_of, submission, submitted, take, wait_for
from tests.fixtures.sandbox import KEY, OpenSandbox, open_sandbox

_CREATIVE = ProviderType.FREEPIK_MAGNIFIC
_PRECISION = ProviderType.FREEPIK_MAGNIFIC_PRECISION


@pytest.fixture(autouse=True)
async def _inputs(objects: MemoryObjectStore) -> None:
    await store_inputs(objects)


class _Reachable(MemoryObjectStore):
    """Objects behind URLs of http."""

    def presigned_url(self, key: str, *, expires_s: int) -> str:
        return f"https://objects.test/{key}?expires_s={expires_s}"


def _entry(sandbox: OpenSandbox) -> Entry:
    (entry,) = sandbox.ledger.entries.values()
    return entry


@pytest.mark.parametrize(
    ("provider", "model"),
    [(_CREATIVE, "image-upscaler"), (_PRECISION, "image-upscaler-precision-v2 (photo)")],
)
async def test_an_upscaling_is_stored_and_recorded(
    fal: OpenSandbox, objects: MemoryObjectStore, provider: ProviderType, model: str
) -> None:
    async with magnific_activities(fal, objects) as activities:
        work = await take(activities, refine_work(provider, upscale_denoise=0.35))
        result = await wait_for(activities, work)
    key = f"refines/{work.task_id}/a1/image_0.png"
    assert result.results == {"result_image_path": key, "result_image_paths": [key]}
    content, info = objects.objects[key]
    assert (Image.open(io.BytesIO(content)).size, info.content_type) == ((400, 600), "image/png")
    assert result.billed == []
    made = result.provenance
    assert made is not None
    assert (made.engine, made.model) == ("magnific", model)
    assert made.settings == {"upscale_factor": 2, "output_megapixels": 0.24}
    assert made.ignored == ["upscale_denoise"]
    assert [file.key for file in made.files] == [key]
    assert fal.ledger.strays == []
    told = result.model_dump_json() + work.model_dump_json()
    assert KEY not in told
    assert "base64" not in told


async def test_bodies_without_data_are_read_too(objects: MemoryObjectStore) -> None:
    async with (
        open_sandbox(magnific_is_flat=True) as sandbox,
        magnific_activities(sandbox, objects) as activities,
    ):
        result = await wait_for(activities, await take(activities, refine_work()))
    assert len(result.files) == 1


@pytest.mark.parametrize("header", ["x-magnific-api-key", "x-freepik-api-key"])
async def test_either_header_carries_the_key(
    fal: OpenSandbox, objects: MemoryObjectStore, header: str
) -> None:
    async with magnific_activities(fal, objects, key_header=header) as activities:
        await take(activities, refine_work())
    assert _entry(fal).app == "image-upscaler"


async def test_the_flavor_is_a_setting(fal: OpenSandbox, objects: MemoryObjectStore) -> None:
    async with magnific_activities(fal, objects, flavor="sublime") as activities:
        await take(activities, refine_work(_PRECISION))
    assert _entry(fal).input["flavor"] == "sublime"


@pytest.mark.parametrize(("provider", "is_inline"), [(_CREATIVE, True), (_PRECISION, False)])
async def test_a_large_picture_goes_by_url_where_the_upscaler_takes_one(
    fal: OpenSandbox, provider: ProviderType, *, is_inline: bool
) -> None:
    objects = _Reachable()
    await store_inputs(objects)
    async with magnific_activities(fal, objects, inline_max_bytes=10, presign_s=60) as activities:
        await take(activities, refine_work(provider))
    inline = base64.b64encode(objects.objects[PERSON][0]).decode()
    by_url = f"https://objects.test/{PERSON}?expires_s=60"
    assert _entry(fal).input["image"] == (inline if is_inline else by_url)


async def test_a_refusal_names_the_field(fal: OpenSandbox, objects: MemoryObjectStore) -> None:
    async with magnific_activities(fal, objects, flavor="vanilla") as activities:
        with pytest.raises(PlatformError, match=r"did not validate\. flavor: .*sublime") as caught:
            await take(activities, refine_work(_PRECISION))
    assert caught.value.category is Category.VALIDATION


@pytest.mark.parametrize(
    ("provider", "size", "inputs", "told"),
    [
        (_CREATIVE, (159, 300), {}, "Magnific needs 160 on each side"),
        (_PRECISION, (200, 601), {}, "ratios from 1:3 to 3:1"),
        (_CREATIVE, (1300, 1300), {"upscale_factor": 4}, "largest factor for this picture is 2"),
        (_PRECISION, (700, 300), {"upscale_factor": 16}, "largest factor for this picture is 14"),
        (_CREATIVE, (200, 300), {"upscale_factor": None}, "upscale_factor: none was given"),
        (_PRECISION, (200, 300), {"upscale_factor": 2.5}, "upscale_factor: 2.5"),
    ],
)
async def test_limits_are_checked_before_anything_is_paid_for(
    fal: OpenSandbox,
    objects: MemoryObjectStore,
    provider: ProviderType,
    size: tuple[int, int],
    inputs: dict[str, Any],
    told: str,
) -> None:
    await objects.put(PERSON, picture(size=size), "image/png")
    async with magnific_activities(fal, objects) as activities:
        with pytest.raises(InvalidInputError, match=told):
            await take(activities, refine_work(provider, **inputs))
    assert fal.ledger.requests.total() == 0


async def test_submits_and_polls_share_one_budget(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with magnific_activities(fal, objects, requests_per_minute=240) as activities:
        first = await take(activities, refine_work())
        second = await take(activities, refine_work())
        result = await wait_for(activities, first)
    calls = [
        *first.submission.service_requests,
        *second.submission.service_requests,
        *(each for each in result.service_requests if "/v1/ai/" in each.url),
    ]
    assert len(calls) == 4
    # Four requests, 0.25 s apart; the log's times are those of the sends.
    assert calls[-1].at - calls[0].at >= timedelta(seconds=0.7)


async def test_failed_work_may_be_tried_again(fal: OpenSandbox, objects: MemoryObjectStore) -> None:
    fal.play(Fault(on="work", polls=1, error="broken"))
    async with magnific_activities(fal, objects) as activities:
        error = await failure_of(activities, await take(activities, refine_work()))
    assert (error.category, error.is_final) == (Category.PROVIDER_ERROR, True)


async def test_work_at_magnific_cannot_be_cancelled(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with magnific_activities(fal, objects) as activities:
        work = submitted(refine_work(), submission())
        found = await ActivityEnvironment().run(activities.withdraw_work, work)
    assert not found.is_withdrawn
    assert "cannot be cancelled" in found.message
    assert fal.ledger.requests.total() == 0
