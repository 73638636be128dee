"""A provider that fails, through the whole platform: who takes over, and who is told."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from provider_worker.sandbox.faults import Fault
from tests.fixtures.event_streams import StreamClient
from tests.fixtures.pictures import picture
from tests.fixtures.provider_platform import ProviderPlatform, data_url
from tests.fixtures.receiver import Receiver, receiving
from tests.fixtures.workflow_runs import summaries

_REFUSAL = {
    "detail": [{"loc": ["body", "prompt"], "msg": "Input should be short", "type": "value_error"}]
}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


def _generation(marker: str, **fields: Any) -> dict[str, Any]:
    """Return a GENERATION by fal, or else by our own worker."""
    return {
        "task_type": "GENERATION",
        "prompt": marker,
        "width": 64,
        "height": 64,
        "seed": 7,
        "provider_type": "fal_standard",
        "fallback_provider_type": "local",
        "max_retries": 2,
    } | fields


def _marker() -> str:
    return f"a red dress {uuid.uuid4()}"


async def test_the_fallback_is_in_record_events_webhook_and_temporal_ui(
    providers: ProviderPlatform, receiver: Receiver
) -> None:
    marker = _marker()
    await providers.play(Fault(on="submit", marker=marker, like="out_of_credit"))
    body = _generation(marker, webhook_url=receiver.url())
    task = await providers.create(**body)
    ended = await providers.ended(task)
    assert (ended["status"], ended["fallback_used"]) == ("COMPLETED", True), ended
    (error,) = ended["errors"]
    assert error.startswith("attempt 1: fal")
    assert ended["executor_type"] == "inference-worker"
    assert ended["billed"] == []
    size, _ = await providers.platform.pixels(ended["result_image_path"])
    assert size == (64, 64)

    stream = StreamClient(providers.platform.api, f"/api/v1/tasks/{task['id']}/events")
    last = (await stream.follow()).events[-1].data
    assert (last["status"], last["fallback_used"]) == ("COMPLETED", True)
    posts = await receiver.until_status(task["id"], "COMPLETED")
    assert posts[-1].event["fallback_used"] is True
    assert posts[-1].event["provider_type"] == last["provider_type"] == ended["provider_type"]

    run = await providers.run_of(task)
    details = (await run.query("__temporal_workflow_metadata")).current_details
    assert "completed by local, attempt 2, after fal_standard failed" in details
    assert "GENERATION, attempt 2, by local in place of fal_standard" in await summaries(run)


async def test_another_provider_takes_over(providers: ProviderPlatform) -> None:
    marker = _marker()
    await providers.play(Fault(on="submit", marker=marker, like="out_of_credit"))
    base = data_url(picture(size=(320, 240)))
    task = await providers.create(
        task_type="EDITING",
        prompt=marker,
        base_image=base,
        reference_images=[data_url(picture(size=(128, 128)))],
        provider_type="fal_standard",
        fallback_provider_type="fashn_standard",
        fallback_provider_config={"provider_type": "fashn_standard", "poll_interval": 1},
    )
    ended = await providers.ended(task)
    assert (ended["status"], ended["fallback_used"]) == ("COMPLETED", True), ended
    log = (await providers.monitored(task))["service_requests"]
    posts = [(each["provider"], each["attempt"]) for each in log if each["method"] == "POST"]
    assert posts == [("fal_standard", 1), ("fashn_standard", 2)]
    (billed,) = ended["billed"]
    assert (billed["provider"], billed["attempt"], billed["amount"]) == ("fashn_standard", 2, 1)


async def test_an_invalid_request_does_not_fall_back(providers: ProviderPlatform) -> None:
    marker = _marker()
    await providers.play(Fault(on="submit", marker=marker, status=422, body=_REFUSAL, times=0))
    ended = await providers.ended(await providers.create(**_generation(marker)))
    assert (ended["status"], ended["error_category"]) == ("FAILED", "VALIDATION"), ended
    assert ended["fallback_used"] is False
    assert "Input should be short" in str(ended["errors"])
    assert (await providers.ledger())["posts"][marker] == 1


async def test_a_submission_with_an_unknown_outcome_does_not_fall_back(
    providers: ProviderPlatform,
) -> None:
    marker = _marker()
    await providers.play(Fault(on="submit", marker=marker, is_taken=True, is_dropped=True, times=0))
    ended = await providers.ended(await providers.create(**_generation(marker)))
    assert ended["status"] == "FAILED", ended
    assert ended["fallback_used"] is False
    assert "may have accepted the work" in str(ended["errors"])
    ledger = await providers.ledger()
    assert (ledger["posts"][marker], ledger["submits"][marker]) == (1, 1)
