"""Submission of work: one POST in every case, and a true report of its outcome."""

import asyncio
import base64
import socket
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from provider_worker.activities import RemoteProviders
from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.submissions import RemoteWork, Submission
from shared.errors import (
    ObjectNotFoundError,
    PlatformError,
    SubmissionUnknownError,
    UnservedError,
)
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import picture
from tests.fixtures.remote_work import (
    app_work,
    fal_activities,
    generation_work,
    marker_of,
    until_true,
)
from tests.fixtures.sandbox import KEY, OpenSandbox

_FLAGGED = {"detail": [{"loc": ["body"], "msg": "flagged", "type": "content_policy_violation"}]}


async def _submit(activities: RemoteProviders, work: RemoteWork) -> Submission:
    return await ActivityEnvironment().run(activities.submit_work, work)


async def _refused(activities: RemoteProviders, work: RemoteWork) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await _submit(activities, work)
    return caught.value


async def test_work_is_accepted_once_and_can_be_found_again(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = generation_work()
    submission = await _submit(activities, work)
    (entry,) = fal.ledger.entries.values()
    assert submission.request_id == entry.request_id
    assert (entry.app, entry.marker) == ("fal-ai/flux/dev", marker_of(work))
    assert submission.handle["status_url"].endswith(f"/requests/{entry.request_id}/status")
    assert submission.executor_instance == "provider-worker@test:1"
    (request,) = submission.service_requests
    assert (request.method, request.status, request.attempt) == ("POST", 200, 1)
    assert request.url == f"{fal.url}/fal-ai/flux/dev"
    assert request.provider_request_id == entry.request_id
    assert KEY not in submission.model_dump_json()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="submit", is_taken=True, is_dropped=True),
        Fault(on="submit", is_dropped=True),
        Fault(on="submit", is_taken=True, is_cut=True),
        Fault(on="submit", is_taken=True, status=502),
        Fault(on="submit", is_taken=True, status=504),
        Fault(on="submit", is_taken=True, status=500, body={"detail": "Internal Server Error"}),
        Fault(on="submit", is_taken=True, status=200, body="taken"),
        Fault(on="submit", is_taken=True, status=200, body={"request_id": "../../x"}),
        Fault(on="submit", is_taken=True, delay_s=2),
    ],
    ids=lambda fault: str(fault.model_dump(exclude_defaults=True, exclude={"on"})),
)
async def test_a_lost_response_is_unknown_and_nothing_is_sent_again(
    fal: OpenSandbox, objects: MemoryObjectStore, fault: Fault
) -> None:
    fal.play(fault)
    work = generation_work()
    async with fal_activities(fal, objects, submit_timeout_s=1) as activities:
        error = await _refused(activities, work)
    assert isinstance(error, SubmissionUnknownError)
    assert "not sent again" in str(error)
    assert fal.ledger.posts == {marker_of(work): 1}
    assert len(error.service_requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "headers", "category"),
    [
        (429, None, {"Retry-After": "9"}, Category.RATE_LIMIT),
        (401, {"detail": "Invalid key"}, {}, Category.AUTHENTICATION),
        (403, {"detail": "User is locked. Reason: Exhausted balance."}, {},
         Category.QUOTA_EXCEEDED),
        (402, None, {}, Category.QUOTA_EXCEEDED),
        (404, {"detail": "Application not found"}, {}, Category.VALIDATION),
        (422, {"detail": [{"loc": ["body", "seed"], "msg": "no int", "type": "int"}]}, {},
         Category.VALIDATION),
        (422, _FLAGGED, {}, Category.CONTENT_POLICY),
        (503, None, {"Retry-After": "9"}, Category.PROVIDER_ERROR),
        (504, {"detail": "x"}, {"X-Fal-Error-Type": "startup_timeout"}, Category.PROVIDER_ERROR),
    ],
)  # fmt: skip
async def test_a_refusal_has_its_category(
    fal: OpenSandbox,
    activities: RemoteProviders,
    status: int,
    body: Any,
    headers: dict[str, str],
    category: Category,
) -> None:
    fal.play(Fault(on="submit", status=status, body=body, headers=headers))
    work = generation_work()
    error = await _refused(activities, work)
    assert not isinstance(error, SubmissionUnknownError)
    assert error.category is category
    assert error.retry_after_s == (9 if headers.get("Retry-After") else None)
    assert [request.status for request in error.service_requests] == [status]
    assert fal.ledger.posts == {marker_of(work): 1}
    assert not fal.ledger.entries


async def test_a_wrong_key_is_refused_and_not_shown(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    fal.play(Fault(on="submit", status=401, body={"detail": f"the key {KEY} is unknown"}))
    async with fal_activities(fal, objects) as activities:
        error = await _refused(activities, generation_work())
    assert error.category is Category.AUTHENTICATION
    assert "is unknown" in str(error)
    assert KEY not in str(error)


async def test_a_closed_port_was_certainly_not_reached(objects: MemoryObjectStore) -> None:
    with socket.socket() as bound:  # nobody else gets the port, and it accepts nothing
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with fal_activities(url, objects) as activities:
            error = await _refused(activities, generation_work())
    assert not isinstance(error, SubmissionUnknownError)
    assert (error.category, error.is_final) == (Category.NETWORK, False)
    assert [request.status for request in error.service_requests] == [None]


@pytest.mark.parametrize("value", [float("nan"), "\ud800"])
async def test_a_request_that_json_cannot_express_is_certainly_not_sent(
    fal: OpenSandbox, activities: RemoteProviders, value: Any
) -> None:
    work = app_work(odd=value)
    for _ in range(2):  # the refusal is parked as well
        error = await _refused(activities, work)
        assert not isinstance(error, SubmissionUnknownError)
        assert (error.category, str(error).endswith("nothing was sent")) == (
            Category.VALIDATION,
            True,
        )
    assert not fal.ledger.posts


async def test_a_failed_handshake_was_certainly_not_reached(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    async with fal_activities(fal.url.replace("http:", "https:"), objects) as activities:
        error = await _refused(activities, generation_work())
    assert not isinstance(error, SubmissionUnknownError)
    assert error.category is Category.NETWORK


async def test_a_host_without_an_address_was_certainly_not_reached(
    objects: MemoryObjectStore,
) -> None:
    async with fal_activities("http://fal.invalid", objects) as activities:
        error = await _refused(activities, generation_work())
    assert error.category is Category.NETWORK


@pytest.mark.parametrize("is_shutdown", [False, True])
async def test_a_sent_request_is_finished_despite_a_cancellation(
    fal: OpenSandbox, activities: RemoteProviders, *, is_shutdown: bool
) -> None:
    fal.play(Fault(on="submit", is_taken=True, delay_s=0.3))
    env, work = ActivityEnvironment(), generation_work(f"cancelled {is_shutdown}")
    task = asyncio.create_task(env.run(activities.submit_work, work))
    await until_true(lambda: fal.ledger.posts)
    if is_shutdown:
        env.worker_shutdown()
    env.cancel()
    submission = await task
    assert submission.request_id == fal.entry(f"cancelled {is_shutdown}").request_id


@pytest.mark.parametrize("is_shutdown", [False, True])
async def test_nothing_is_sent_after_a_cancellation(
    fal: OpenSandbox, activities: RemoteProviders, *, is_shutdown: bool
) -> None:
    env = ActivityEnvironment()
    if is_shutdown:
        env.worker_shutdown()
    else:
        env.cancel()
    task = asyncio.create_task(env.run(activities.submit_work, generation_work()))
    if not is_shutdown:
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not fal.ledger.posts


@pytest.mark.parametrize(
    ("provider", "task_type"),
    [
        (ProviderType.FAL_GARMENT_FIXER, TaskType.GENERATION),
        (ProviderType.AI_CORE, TaskType.LLM_INTERACTION),
        (ProviderType.VERTEX, TaskType.GENERATION),
    ],
)
async def test_work_without_an_adapter_waits_for_one(
    fal: OpenSandbox, activities: RemoteProviders, provider: ProviderType, task_type: TaskType
) -> None:
    changed = {"provider_type": provider, "task_type": task_type}
    error = await _refused(activities, generation_work().model_copy(update=changed))
    assert isinstance(error, UnservedError)
    assert not fal.ledger.posts


async def test_small_pictures_are_sent_inline_and_large_ones_by_url(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    small, large = picture("JPEG"), picture(size=(400, 400))
    await objects.put("uploads/small.jpg", small, "image/jpeg")
    await objects.put("uploads/large.png", large, "image/png")
    work = app_work(image_url="uploads/small.jpg", mask="uploads/large.png", note="uploads/x.png")
    work.inputs["fal_objects"] = ["uploads/small.jpg", "uploads/large.png"]
    async with fal_activities(
        fal, objects, inline_max_bytes=len(large) - 1, presign_s=60
    ) as activities:
        await _submit(activities, work)
    (entry,) = fal.ledger.entries.values()
    sent = "data:image/jpeg;base64," + base64.b64encode(small).decode()
    assert len(small) < len(large)
    assert entry.input["image_url"] == sent
    assert entry.input["mask"] == "memory://uploads/large.png?expires_s=60"
    assert entry.input["note"] == "uploads/x.png"


async def test_a_missing_picture_is_detected_before_anything_is_sent(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    error = await _refused(activities, generation_work(reference_image_url="uploads/gone.png"))
    assert isinstance(error, ObjectNotFoundError)
    assert not fal.ledger.posts


async def test_loras_go_by_presigned_url(fal: OpenSandbox, activities: RemoteProviders) -> None:
    key = "loras/sha256/" + "a" * 64
    await _submit(activities, generation_work(lora_objects={"subject_model_path": key}))
    (entry,) = fal.ledger.entries.values()
    assert entry.app == "fal-ai/flux-lora"
    path = f"memory://{key}?expires_s=86400"
    assert entry.input["loras"] == [{"path": path, "scale": 0.8}]
