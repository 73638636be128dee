"""Captions of training pictures through the vendors' clients, at the sandbox."""

import asyncio
import uuid

import pytest
from temporalio.testing import ActivityEnvironment

from provider_worker.captions import CaptionSettings
from provider_worker.sandbox.faults import Fault
from shared.contracts.datasets import CaptionImage
from shared.contracts.enums import AiProvider, ErrorCategory
from shared.errors import PlatformError, SubmissionUnknownError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import picture
from tests.fixtures.remote_work import until_true
from tests.fixtures.sandbox import OpenSandbox
from tests.fixtures.vision import Vision, open_vision
from tests.fixtures.workflow_runs import OWNER

KEY = "trainings/1/dataset/0000.jpg"


@pytest.fixture(autouse=True)
async def stored(objects: MemoryObjectStore) -> None:
    await objects.put(KEY, picture("JPEG", "red", (64, 64)), "image/jpeg")


async def caption(vision: Vision) -> str:
    request = CaptionImage(
        training_id=uuid.uuid4(), picture=KEY, instruction="Describe sh0e.", owner=OWNER
    )
    return (await ActivityEnvironment().run(vision.captions.caption_image, request)).caption


@pytest.mark.parametrize("vendor", AiProvider)
async def test_each_vendor_captions_by_the_model_of_the_settings(
    fal: OpenSandbox, objects: MemoryObjectStore, vendor: AiProvider
) -> None:
    model = {"openai": "gpt-4.1-mini", "ollama": "qwen3-vl"}.get(vendor)
    settings = CaptionSettings(provider=vendor, model=model)
    urls = dict.fromkeys(AiProvider, fal.url)
    async with open_vision(objects, urls, captions=settings) as vision:
        told = await caption(vision)
        default = vision.chats.default_model(vendor)
    assert "red picture (64x64). You asked: Describe sh0e." in told
    (entry,) = fal.ledger.entries.values()
    assert entry.wire == vendor
    assert (model or default) in str(entry.input.get("model", entry.app))
    assert not fal.ledger.strays


async def test_first_vendor_with_a_key_captions_unless_the_settings_name_one(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    urls = {AiProvider.OLLAMA: fal.url, AiProvider.ANTHROPIC: fal.url}
    async with open_vision(objects, urls) as vision:
        await caption(vision)
    (entry,) = fal.ledger.entries.values()
    assert entry.wire == "anthropic"
    settings = CaptionSettings(provider=AiProvider.GEMINI)
    async with open_vision(objects, urls, captions=settings) as vision:
        with pytest.raises(PlatformError) as raised:
            await caption(vision)
    assert raised.value.failure_type == "UNSERVED"


@pytest.mark.parametrize(
    ("fault", "category", "charges"),
    [
        (Fault(on="submit", like="rate_limit"), ErrorCategory.RATE_LIMIT, 0),
        (Fault(on="work", like="content_policy"), ErrorCategory.CONTENT_POLICY, 1),
        (Fault(on="work", like="empty"), ErrorCategory.PROVIDER_ERROR, 1),
    ],
)
async def test_failure_is_told_and_sends_nothing_again(
    fal: OpenSandbox,
    objects: MemoryObjectStore,
    fault: Fault,
    category: ErrorCategory,
    charges: int,
) -> None:
    fal.play(fault)
    async with open_vision(objects, {AiProvider.OPENAI: fal.url}) as vision:
        with pytest.raises(PlatformError) as raised:
            await caption(vision)
    assert raised.value.category is category
    assert [each.method for each in raised.value.service_requests] == ["POST"]
    assert (fal.ledger.posts.total(), len(fal.ledger.entries)) == (1, charges)


async def test_lost_response_is_unknown(fal: OpenSandbox, objects: MemoryObjectStore) -> None:
    fal.play(Fault(on="submit", is_taken=True, is_dropped=True))
    async with open_vision(objects, {AiProvider.ANTHROPIC: fal.url}) as vision:
        with pytest.raises(SubmissionUnknownError):
            await caption(vision)
    assert fal.ledger.posts.total() == 1


async def test_worker_that_shuts_down_waits_for_the_response(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    fal.play(Fault(on="work", work_s=0.3))
    env = ActivityEnvironment()
    request = CaptionImage(
        training_id=uuid.uuid4(), picture=KEY, instruction="Describe sh0e.", owner=OWNER
    )
    async with open_vision(objects, {AiProvider.OPENAI: fal.url}) as vision:
        captioning = asyncio.ensure_future(env.run(vision.captions.caption_image, request))
        await until_true(lambda: fal.ledger.posts)
        env.worker_shutdown()
        env.cancel()
        reply = await captioning
    assert "You asked: Describe sh0e." in reply.caption
    assert fal.ledger.posts.total() == 1
