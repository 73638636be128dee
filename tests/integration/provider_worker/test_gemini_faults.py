"""Gemini's refusals and failures: what they are told as, and what they cost."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from provider_worker.activities import RemoteProviders
from provider_worker.sandbox.faults import RETRY_S, Fault
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.enums import TaskType
from shared.contracts.failures import REPLY_UNFIT
from shared.contracts.submissions import RemoteWork
from shared.errors import PlatformError, SubmissionUnknownError
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.google_accounts import service_account
from tests.fixtures.provider_adapters import gemini_work, store_inputs, vertex_activities
from tests.fixtures.raw_server import Server, listening, reply
from tests.fixtures.remote_work import failure_of, take, wait_for
from tests.fixtures.sandbox import KEY, OpenSandbox

_SMALL = {"image_size": "1K"}


@pytest.fixture
async def activities(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> AsyncIterator[RemoteProviders]:
    await store_inputs(objects)
    async with vertex_activities(fal, objects) as built:
        yield built


async def _refusal(activities: RemoteProviders, work: RemoteWork | None = None) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await take(activities, work or gemini_work(provider_config=_SMALL))
    return caught.value


@pytest.mark.parametrize(
    ("like", "category", "told"),
    [
        ("content_policy", Category.CONTENT_POLICY, "PROHIBITED_CONTENT"),
        ("content_filter", Category.CONTENT_POLICY, "SAFETY"),
        ("image_safety", Category.CONTENT_POLICY, "IMAGE_SAFETY: Unsafe picture"),
        ("text_only", Category.CONTENT_POLICY, "I'm unable to create this picture"),
        ("no_image", Category.PROVIDER_ERROR, "NO_IMAGE"),
        ("empty", Category.PROVIDER_ERROR, "neither a picture nor words"),
        ("cut_off", Category.PROVIDER_ERROR, "MAX_TOKENS"),
        ("continuation", Category.PROVIDER_ERROR, "CONTINUATION"),
    ],
)
async def test_a_response_without_a_picture_is_a_failure_that_names_its_tokens(
    fal: OpenSandbox, activities: RemoteProviders, like: Any, category: Category, told: str
) -> None:
    fal.play(Fault(on="work", like=like))
    work = await take(activities, gemini_work(provider_config=_SMALL))
    error = await failure_of(activities, work)
    assert (error.category, error.is_final) == (category, True)
    assert told in str(error)
    assert sum(unit.amount for unit in error.billed) == fal.ledger.charged("gemini") > 0
    assert fal.ledger.posts[work.inputs["prompt"]] == 1


@pytest.mark.parametrize(
    ("like", "category", "told"),
    [
        ("unsafe_prompt", Category.CONTENT_POLICY, "SAFETY"),
        ("content_filter", Category.CONTENT_POLICY, "SAFETY"),
        ("empty", Category.PROVIDER_ERROR, "no text"),
        ("cut_off", Category.VALIDATION, "limit of tokens"),
        ("wrong_schema", Category.PROVIDER_ERROR, "cannot be used"),
        ("broken_json", Category.PROVIDER_ERROR, "cannot be used"),
    ],
)
async def test_a_response_without_a_usable_text_is_a_failure(
    fal: OpenSandbox, activities: RemoteProviders, like: Any, category: Category, told: str
) -> None:
    fal.play(Fault(on="work", like=like))
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    given = gemini_work(TaskType.LLM_INTERACTION, config={"output_schema": schema})
    error = await failure_of(activities, await take(activities, given))
    assert (error.category, error.is_final) == (category, True)
    assert (error.failure_type == REPLY_UNFIT) == (category is Category.PROVIDER_ERROR)
    assert told in str(error)
    assert error.billed


@pytest.mark.parametrize(
    ("like", "category", "wait_s"),
    [
        ("retry_info", Category.RATE_LIMIT, RETRY_S),
        ("quota_per_day", Category.QUOTA_EXCEEDED, RETRY_S),
        ("overloaded", Category.PROVIDER_ERROR, None),
    ],
)
async def test_limits_are_told_apart(
    fal: OpenSandbox,
    activities: RemoteProviders,
    like: Any,
    category: Category,
    wait_s: float | None,
) -> None:
    fal.play(Fault(on="submit", like=like))
    error = await _refusal(activities)
    assert (error.category, error.retry_after_s) == (category, wait_s)
    assert not isinstance(error, SubmissionUnknownError)
    assert fal.ledger.charged("gemini") == 0


async def test_a_wrong_key_is_told_without_the_key(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    await store_inputs(objects)
    async with vertex_activities(fal, objects, key="wrong-key-0123456789") as activities:
        error = await _refusal(activities)
    assert error.category is Category.AUTHENTICATION
    assert "wrong-key" not in str(error)


async def test_a_field_that_the_api_lacks_would_be_noticed(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    work = gemini_work(provider_config={"model": "gemini-3.1-pro-preview"})
    error = await _refusal(activities, work)  # a model without pictures
    assert error.category is Category.VALIDATION
    assert "the model makes no pictures" in str(error)


async def test_slow_pieces_do_not_lengthen_the_time_limit(
    fal: OpenSandbox, objects: MemoryObjectStore
) -> None:
    await store_inputs(objects)
    fal.play(Fault(on="submit", is_taken=True, bytes_per_s=20_000))
    async with vertex_activities(fal, objects, submit_timeout_s=0.5) as activities:
        error = await _refusal(activities)
    assert isinstance(error, SubmissionUnknownError)


async def test_a_picture_that_is_none_is_a_failure_that_names_its_tokens(
    fal: OpenSandbox, activities: RemoteProviders
) -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "bm8gcGljdHVyZQ=="}}
    body = {
        "candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5},
    }
    fal.play(Fault(on="work", status=200, body=body))
    error = await failure_of(activities, await take(activities, gemini_work()))
    assert (error.category, error.is_final) == (Category.PROVIDER_ERROR, True)
    assert [unit.amount for unit in error.billed] == [10, 5]


@pytest.fixture
async def endpoint() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


@pytest.mark.parametrize(
    ("response", "category"),
    [
        (reply(b'{"error": "invalid_grant"}', "400 Bad", content_type="application/json"),
         Category.AUTHENTICATION),
        (reply(b"<html>", "302 Found", location="http://127.0.0.1:9/"), Category.NETWORK),
        (b"", Category.NETWORK),
    ],
)  # fmt: skip
async def test_without_a_token_nothing_is_sent(
    fal: OpenSandbox,
    objects: MemoryObjectStore,
    endpoint: Server,
    tmp_path: Path,
    response: bytes,
    category: Category,
) -> None:
    endpoint.answers["/token"] = response
    file = service_account(tmp_path, endpoint.url("").rstrip("/"))
    access = {"key": "", "project": "our-project", "credentials_file": file}
    await store_inputs(objects)
    async with vertex_activities(fal, objects, **access) as activities:
        error = await _refusal(activities)
    assert error.category is category
    assert "nothing was sent" in str(error)
    assert not fal.ledger.posts
    assert not any(key.endswith("/sent") for key in objects.objects)


async def test_unreadable_credentials_are_told_by_name_alone(
    fal: OpenSandbox, objects: MemoryObjectStore, tmp_path: Path
) -> None:
    file = tmp_path / "account.json"
    file.write_text(json.dumps({"type": "service_account", "private_key": "secret-part"}))
    await store_inputs(objects)
    access = {"key": "", "project": "our-project", "credentials_file": file}
    async with vertex_activities(fal, objects, **access) as activities:
        error = await _refusal(activities)
    assert error.category is Category.AUTHENTICATION
    assert "secret-part" not in str(error)


async def test_a_token_is_fetched_once_for_many_requests_and_hidden(
    fal: OpenSandbox, objects: MemoryObjectStore, tmp_path: Path
) -> None:
    file = service_account(tmp_path, fal.url)
    access = {"key": "", "project": "our-project", "credentials_file": file}
    await store_inputs(objects)
    async with vertex_activities(fal, objects, **access) as activities:
        result = await wait_for(
            activities, await take(activities, gemini_work(provider_config=_SMALL))
        )
        fal.play(Fault(on="submit", status=400, body={"message": f"the token {KEY} is wrong"}))
        error = await _refusal(activities)
    assert KEY not in str(error)
    assert len(result.files) == 1
    assert fal.ledger.requests["POST /token"] == 1
