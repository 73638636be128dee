"""Waiting for work at fal, and resuming the wait."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from provider_worker.activities import RemoteProviders
from provider_worker.sandbox.faults import Fault
from shared.contracts.enums import ErrorCategory as Category
from shared.egress.guard import STRICT
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pictures import picture
from tests.fixtures.raw_server import listening, reply
from tests.fixtures.remote_work import (
    RecordedProgress,
    app_work,
    failure_of,
    fal_activities,
    generation_work,
    longest_pause,
    marker_of,
    submission,
    submitted,
    take,
    wait_for,
)
from tests.fixtures.sandbox import KEY, OpenSandbox

_FLAGGED = {"detail": [{"loc": ["body"], "msg": "flagged", "type": "content_policy_violation"}]}


@dataclass
class Elsewhere:
    """A third-party server that records its requests."""

    url: str = ""
    heard: list[bytes] = field(default_factory=list[bytes])

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.read(65536))
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    stranger = Elsewhere()
    server = await asyncio.start_server(stranger.answer, "127.0.0.1", 0)
    async with server:
        stranger.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield stranger


def stored(objects: MemoryObjectStore) -> set[str]:
    """Return the keys of results: without the marks of submissions."""
    return {key for key in objects.objects if not key.endswith(("/sent", "/answer"))}


async def test_pictures_are_stored_as_png_under_their_attempt(
    fal: OpenSandbox, activities: RemoteProviders, objects: MemoryObjectStore
) -> None:
    fal.play(Fault(on="work", polls=5))
    work = await take(activities, generation_work(attempt=3, config={"num_images": 2}))
    result = await wait_for(activities, work)
    keys = [f"generations/{work.task_id}/a3/image_{index}.png" for index in (0, 1)]
    assert result.results == {"result_image_path": keys[0], "result_image_paths": keys}
    assert [file.key for file in result.files] == keys
    for file in result.files:
        content, info = objects.objects[file.key]
        assert (file.size_bytes, info.content_type) == (len(content), "image/png")
        assert Image.open(io.BytesIO(content)).size == (40, 24)
    assert (result.resumes, result.resumed_at) == (0, None)
    assert result.started_at == work.submission.submitted_at


async def test_the_record_shows_the_calls_but_not_every_poll_and_never_the_key(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    fal.play(Fault(on="work", polls=12))
    work = await take(activities, generation_work())
    result = await wait_for(activities, work)
    path = f"{fal.url}/fal-ai/flux/requests/{work.submission.request_id}"
    assert [(r.method, r.url, r.status) for r in result.service_requests] == [
        ("GET", f"{path}/status", 202),
        ("GET", f"{path}/status", 200),
        ("GET", path, 200),
        ("GET", f"{fal.url}/_media/{work.submission.request_id}/0.png", 200),
    ]
    assert KEY not in result.model_dump_json()


async def test_an_apps_response_is_its_result(
    fal: OpenSandbox, activities: RemoteProviders, objects: MemoryObjectStore
) -> None:
    async with listening() as host:
        host.answers["/a"] = reply(b"any file")
        url = host.url("/a")
        answer = {"score": 0.5, "out": {"url": url}, "text": "a\0b"}
        fal.play(Fault(on="work", body=answer))
        work = await take(activities, app_work())
        result = await wait_for(activities, work)
    (file,) = result.files
    paths = {"result_paths": [file.key]}
    assert result.results == answer | {"result_url": url, "text": "ab"} | paths
    assert file.key.startswith(f"experimental_fal/{work.task_id}/a1/")
    assert stored(objects) == {file.key}
    assert (await objects.get(file.key)) == b"any file"


async def test_progress_is_what_the_app_logs(fal: OpenSandbox, objects: MemoryObjectStore) -> None:
    fal.play(Fault(on="work", polls=3, logs=["  0%|", " 40%|████"]))
    progress = RecordedProgress()
    async with fal_activities(fal, objects, progress=progress) as activities:
        work = await take(activities, generation_work())
        await wait_for(activities, work)
    assert progress.started == [(work.task_id, 1)] * 2
    assert progress.fractions == [0.4]


async def test_a_resumed_wait_is_reported_as_such(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = await take(activities, generation_work())
    env = ActivityEnvironment()
    env.info = replace(env.info, attempt=3)
    result = await env.run(activities.await_work, work)
    assert result.resumes == 2
    assert result.resumed_at is not None
    assert result.resumed_at >= work.submission.submitted_at
    assert fal.ledger.posts == {marker_of(work): 1}


async def test_disturbances_are_retried_and_shown(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = await take(activities, generation_work())
    fal.play(
        Fault(on="status", status=503),
        Fault(on="status", is_dropped=True),
        Fault(on="status", status=429, headers={"Retry-After": "0"}),
        Fault(on="status", status=200, body={"status": "NEW_WORD"}),
        Fault(on="result", status=502),
        Fault(on="result", is_cut=True),
    )
    result = await wait_for(activities, work)
    statuses = [request.status for request in result.service_requests]
    assert [status for status in statuses if status != 200] == [503, None, 429, 502]


async def test_a_longer_outage_is_left_to_temporal(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = await take(activities, generation_work())
    fal.play(Fault(on="status", status=503, times=0))
    error = await failure_of(activities, work)
    assert (error.category, error.is_final) == (Category.NETWORK, False)
    assert [request.status for request in error.service_requests] == [503] * 5


async def test_a_long_wait_that_fal_asks_for_is_left_to_temporal(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = await take(activities, generation_work())
    fal.play(Fault(on="status", status=429, headers={"Retry-After": "60"}))
    error = await failure_of(activities, work)
    assert (error.category, error.is_final) == (Category.RATE_LIMIT, False)
    assert error.retry_after_s == 60
    assert len(error.service_requests) == 1


async def test_a_timeout_is_left_to_temporal(fal: OpenSandbox, objects: MemoryObjectStore) -> None:
    async with fal_activities(fal, objects, answer_timeout_s=0.1) as activities:
        fal.play(Fault(on="status", delay_s=1, times=0))
        work = await take(activities, generation_work())
        error = await failure_of(activities, work)
    assert (error.category, error.is_final) == (Category.TIMEOUT, False)


async def test_work_that_takes_too_long_ends_the_wait(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    fal.play(Fault(on="work", polls=0))
    work = await take(activities, generation_work())
    error = await failure_of(activities, work.model_copy(update={"timeout_s": 0.1}))
    assert (error.category, error.is_final) == (Category.TIMEOUT, True)
    assert "within 0.1 s" in str(error)


async def test_an_outage_does_not_make_the_wait_longer(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = await take(activities, generation_work())
    fal.play(Fault(on="status", status=503, times=0))
    error = await failure_of(activities, work.model_copy(update={"timeout_s": 0}))
    assert (error.category, error.is_final) == (Category.TIMEOUT, True)


async def test_work_that_was_done_between_two_waits_is_fetched_however_late(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    fal.play(Fault(on="work", polls=1))
    work = await take(activities, generation_work())
    result = await wait_for(activities, work.model_copy(update={"timeout_s": 0}))
    assert result.files


@pytest.mark.parametrize(
    ("fault", "category", "told"),
    [
        (Fault(on="work", status=422, body=_FLAGGED), Category.CONTENT_POLICY, "flagged"),
        (
            Fault(on="work", error="Unprocessable", status=422, body=_FLAGGED),
            Category.CONTENT_POLICY,
            "flagged",
        ),
        (
            Fault(on="work", status=500, body={"detail": "out of memory"}),
            Category.PROVIDER_ERROR,
            "out of memory",
        ),
        (
            Fault(on="work", error="broken", error_type="runner_disconnected"),
            Category.PROVIDER_ERROR,
            "broken",
        ),
        (
            Fault(on="work", error="late", error_type="request_timeout"),
            Category.PROVIDER_ERROR,
            "late",
        ),
        (Fault(on="work", body={"images": []}), Category.PROVIDER_ERROR, "no pictures"),
    ],
)
async def test_failed_work_is_final(
    fal: OpenSandbox, activities: RemoteProviders, fault: Fault, category: Category, told: str
) -> None:
    fal.play(fault)
    error = await failure_of(activities, await take(activities, generation_work()))
    assert (error.category, error.is_final) == (category, True)
    assert told in str(error)


@pytest.mark.parametrize(
    "raw", ["<html>", '{"score": 1e999}', '{"out": [' + "0," * 400_000 + "0]}", "x" * 2**20]
)
async def test_an_unstorable_response_is_our_refusal(
    fal: OpenSandbox, activities: RemoteProviders, raw: str
) -> None:
    fal.play(Fault(on="work", raw=raw))
    error = await failure_of(activities, await take(activities, app_work()))
    assert (error.category, error.is_final) == (Category.VALIDATION, True)


async def test_a_response_that_is_too_large_is_not_stored(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    fal.play(Fault(on="work", raw='{"text": "' + "x" * 2**23 + '"}'))
    error = await failure_of(activities, await take(activities, app_work()))
    assert (error.category, error.is_final) == (Category.VALIDATION, True)
    assert "larger than 1048576 bytes" in str(error)


async def test_a_large_response_blocks_nobody(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    fal.play(
        Fault(on="work", raw='{"out": [' + "{}," * 30_000 + '{}], "text": "' + "x" * 900_000 + '"}')
    )
    work = await take(activities, app_work())
    async with longest_pause() as pause:
        result = await wait_for(activities, work)
    assert len(result.results["out"]) == 30_001
    assert pause.longest_s < 1


async def test_large_files_inside_a_response_are_stored_and_block_nobody(
    fal: OpenSandbox, activities: RemoteProviders, objects: MemoryObjectStore
) -> None:
    contents = [bytes([digit]) * 6_000_000 for digit in (1, 2)]
    encoded = [base64.b64encode(content).decode() for content in contents]
    urls = [f"data:audio/wav;base64,{letters}" for letters in encoded]
    fal.play(Fault(on="work", body={"audio": {"url": urls[0]}, "parts": [urls[1], urls[0]]}))
    work = await take(activities, app_work())
    async with longest_pause() as pause:
        result = await wait_for(activities, work)
    paths = [f"experimental_fal/{work.task_id}/a1/file_{index}.bin" for index in range(2)]
    assert sorted(result.results["result_paths"]) == paths
    first, second = result.results["audio"]["url"], result.results["parts"][0]
    assert [objects.objects[path][0] for path in (first, second)] == contents
    assert result.results["parts"] == [second, first]
    assert pause.longest_s < 1


async def test_an_error_has_no_unstorable_characters(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    fal.play(Fault(on="work", error="bro\0ken", status=500, raw='{"detail": "bro\\u0000ken"}'))
    error = await failure_of(activities, await take(activities, app_work()))
    assert "broken" in str(error)
    fal.play(Fault(on="work", error="bro\0ken " + "http://" * 100_000, raw="{}"))
    error = await failure_of(activities, await take(activities, app_work()))
    assert "broken" in str(error)
    assert len(str(error)) < 1000


async def test_an_app_with_endless_logs_is_polled_without_logs(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    fal.play(Fault(on="work", body={"answer": 42}, polls=6, logs=["x" * 2**20] * 2))
    result = await wait_for(activities, await take(activities, app_work()))
    assert result.results == {"answer": 42}


async def test_work_that_fal_does_not_know_is_final(activities: RemoteProviders) -> None:
    error = await failure_of(activities, submitted(generation_work(), submission("gone")))
    assert (error.category, error.is_final) == (Category.PROVIDER_ERROR, True)
    assert "does not know the request" in str(error)


async def test_pictures_at_private_addresses_are_not_fetched(
    fal: OpenSandbox, objects: MemoryObjectStore, elsewhere: Elsewhere
) -> None:
    fal.play(Fault(on="work", body={"images": [{"url": f"{elsewhere.url}/secret.png"}]}))
    async with fal_activities(fal, objects, guard=STRICT) as activities:
        error = await failure_of(activities, await take(activities, generation_work()))
    assert (error.category, error.is_final) == (Category.VALIDATION, True)
    assert "not public" in str(error)
    assert "SARTIQ_" not in str(error)  # the URL is the provider's, not the client's
    assert elsewhere.heard == []
    assert not stored(objects)


async def test_the_key_goes_to_no_other_host(
    fal: OpenSandbox, activities: RemoteProviders, elsewhere: Elsewhere
) -> None:
    taken = await take(activities, generation_work())
    names = ("status_url", "response_url", "cancel_url")
    handle = taken.submission.handle | dict.fromkeys(names, f"{elsewhere.url}/x")
    work = submitted(taken, taken.submission.model_copy(update={"handle": handle}))
    fal.play(Fault(on="status", status=307, headers={"Location": f"{elsewhere.url}/x"}))
    error = await failure_of(activities, work)
    assert error.is_final
    await wait_for(activities, work)
    await ActivityEnvironment().run(activities.withdraw_work, work)
    assert elsewhere.heard == []


async def test_pictures_are_fetched_without_the_key(
    fal: OpenSandbox, activities: RemoteProviders, elsewhere: Elsewhere
) -> None:
    fal.play(Fault(on="work", body={"images": [{"url": f"{elsewhere.url}/a.png"}]}))
    error = await failure_of(activities, await take(activities, generation_work()))
    assert (error.category, error.is_final) == (Category.NETWORK, False)
    assert len(elsewhere.heard) == 1
    assert b"uthorization" not in elsewhere.heard[0]


async def test_a_repeated_wait_stores_the_same_objects(
    fal: OpenSandbox, activities: RemoteProviders, objects: MemoryObjectStore
) -> None:
    work = await take(activities, generation_work())
    first = await wait_for(activities, work)
    again = await wait_for(activities, work)
    assert again.files == first.files
    assert len(stored(objects)) == 1
    assert fal.ledger.posts == {marker_of(work): 1}


async def test_an_invalid_picture_is_final(
    fal: OpenSandbox, activities: RemoteProviders, objects: MemoryObjectStore
) -> None:
    fal.play(Fault(on="picture", status=200, body="no picture"), Fault(on="picture", status=404))
    for _ in range(2):
        error = await failure_of(activities, await take(activities, generation_work()))
        assert (error.category, error.is_final) == (Category.PROVIDER_ERROR, True)
    assert not stored(objects)


async def test_a_reference_reaches_fal_as_picture(
    fal: OpenSandbox, activities: RemoteProviders, objects: MemoryObjectStore
) -> None:
    await objects.put("uploads/a.png", picture(), "image/png")
    work = await take(activities, generation_work(reference_image_url="uploads/a.png"))
    await wait_for(activities, work)
    (entry,) = fal.ledger.entries.values()
    assert entry.app == "fal-ai/flux-lora/image-to-image"
    assert entry.input["image_url"].startswith("data:image/png;base64,")
