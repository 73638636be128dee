"""Each vendor's client sends one POST a chat, with its retries on and off, and reads it again."""

import json
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.genai.types import HttpRetryOptions
from pydantic_ai.settings import ModelSettings

from provider_worker.calls import CallLog
from provider_worker.errors import UnusableResultError
from provider_worker.llm import request, vendors
from provider_worker.llm.chat import Chat, OutputSchema, Reply
from provider_worker.llm.chats import Chats
from shared.contracts.enums import AiProvider, ProviderType
from shared.contracts.enums import ErrorCategory as Category
from shared.contracts.untrusted import find_fault
from shared.errors import PlatformError, SubmissionUnknownError
from tests.fixtures.llm_activities import MODELS, SCHEMA, chats
from tests.fixtures.raw_server import Answer, Server, listening, reply
from tests.fixtures.sandbox import KEY

OPENAI, GEMINI = AiProvider.OPENAI, AiProvider.GEMINI
PATHS = {
    OPENAI: "/v1/responses",
    AiProvider.ANTHROPIC: "/v1/messages",
    GEMINI: f"/v1beta/models/{MODELS[GEMINI]}:generateContent",
    AiProvider.OLLAMA: "/v1/chat/completions",
}
EACH = pytest.mark.parametrize("vendor", list(AiProvider))


@pytest.fixture(scope="module")
async def listener() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


@pytest.fixture
def server(listener: Server) -> Server:
    listener.requests.clear()
    listener.answers.clear()
    return listener


@pytest.fixture(scope="module")
async def opened(listener: Server) -> AsyncIterator[Chats]:
    async with chats(listener.url(""), timeout_s=0.5) as built:
        yield built


@pytest.fixture
def with_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the retries of every client on."""

    def settings(*given: Any) -> ModelSettings:
        return {**plain(*given), "max_retries": 3}

    for client in ("openai", "anthropic"):
        monkeypatch.setattr(f"{client}._base_client.INITIAL_RETRY_DELAY", 0.01)
    plain = request._settings
    monkeypatch.setattr(request, "_settings", settings)
    options = HttpRetryOptions(attempts=4, initial_delay=0.01, max_delay=0.01)
    monkeypatch.setattr(vendors, "HttpRetryOptions", lambda **_: options)


def chat_with(vendor: AiProvider, **more: Any) -> Chat:
    return Chat(model=MODELS[vendor], prompt="What is it?", max_tokens=100, **more)


async def ask(opened: Chats, vendor: AiProvider, **more: Any) -> Reply:
    log = CallLog(ProviderType.AI_CORE, 1)
    return await opened.ask(vendor, chat_with(vendor, **more), log)


async def failure(opened: Chats, vendor: AiProvider, **more: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        await ask(opened, vendor, **more)
    return caught.value


async def _dropped(reader: Any, writer: Any) -> None:
    writer.transport.abort()


@EACH
@pytest.mark.usefixtures("with_retries")
@pytest.mark.parametrize(
    ("answer", "is_unknown"),
    [
        (_dropped, True),
        (b"", True),
        (reply(b'{"id": "x', length=1000, content_type="application/json"), True),
        (reply(b"<html>", "500 Error"), True),
        (reply(b"<html>", "502 Bad Gateway"), True),
        (reply(b"{}", "429 Too Many"), False),
        (reply(b"{}", "408 Timeout"), False),
        (reply(b"{}", "409 Conflict"), False),
    ],
    ids=["dropped", "closed", "half", "500", "502", "429", "408", "409"],
)
async def test_one_post_although_the_clients_would_repeat_it(
    server: Server, vendor: AiProvider, answer: bytes | Answer, *, is_unknown: bool
) -> None:
    server.answers[PATHS[vendor]] = answer
    async with chats(server.url(""), vendor) as built:
        error = await failure(built, vendor)
    assert isinstance(error, SubmissionUnknownError) == is_unknown
    assert len(server.requests) == 1


@EACH
async def test_a_vendor_that_is_away_was_sent_nothing(vendor: AiProvider) -> None:
    async with chats("http://127.0.0.1:9", vendor) as built:
        error = await failure(built, vendor)
    assert error.category is Category.NETWORK
    assert "nothing was sent" in str(error)


@EACH
async def test_the_request_has_the_vendors_key_and_no_compression(
    server: Server, opened: Chats, vendor: AiProvider
) -> None:
    server.answers[PATHS[vendor]] = reply(b"{}", "400 Bad")
    await failure(opened, vendor)
    (sent,) = server.requests
    assert "accept-encoding: identity" in sent.lower()
    assert KEY in sent


@EACH
async def test_a_response_of_another_kind_is_charged_and_final(
    server: Server, opened: Chats, vendor: AiProvider
) -> None:
    server.answers[PATHS[vendor]] = reply(b'{"hello": [1]}', content_type="application/json")
    error = await failure(opened, vendor)
    assert (error.category, error.is_final) == (Category.PROVIDER_ERROR, True)
    assert len(server.requests) == 1


def gemini(reason: str | None = "STOP", *parts: dict[str, Any], **more: Any) -> bytes:
    candidate: dict[str, Any] = {"index": 0, **more}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if reason:
        candidate["finishReason"] = reason
    return _json(
        {
            "candidates": [candidate],
            "usageMetadata": {
                "promptTokenCount": 11,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 3,
                "totalTokenCount": 19,
            },
            "modelVersion": "gemini-3.1-pro-preview-1",
            "responseId": "resp-1",
        }
    )


def _json(body: Any) -> bytes:
    return reply(json.dumps(body).encode(), content_type="application/json")


async def test_geminis_reply_is_read_without_its_thoughts(server: Server, opened: Chats) -> None:
    parts = {"text": "Hmm.", "thought": True}, {"text": "A red "}, {"text": "dress."}
    server.answers[PATHS[GEMINI]] = gemini("STOP", *parts)
    found = await ask(opened, GEMINI)
    assert (found.text, found.json, found.request_id) == ("A red dress.", None, "resp-1")
    assert (found.input_tokens, found.output_tokens) == (11, 8)
    assert found.model == "gemini-3.1-pro-preview-1"


async def test_geminis_reply_follows_a_schema(server: Server, opened: Chats) -> None:
    data = {"colour": "red", "kind": "coat", "sleeves": 2}
    server.answers[PATHS[GEMINI]] = gemini("STOP", {"text": json.dumps(data)})
    assert (await ask(opened, GEMINI, schema=OutputSchema(SCHEMA))).json == data


async def test_a_hostile_reply_can_be_stored(server: Server, opened: Chats) -> None:
    server.answers[PATHS[GEMINI]] = gemini("STOP", {"text": "a\x00b\ud800"})
    found = await ask(opened, GEMINI)
    assert find_fault(found.text) is None
    assert found.text.startswith("a")


async def test_a_huge_reply_is_not_stored_and_charged(server: Server, opened: Chats) -> None:
    server.answers[PATHS[GEMINI]] = gemini("STOP", {"text": "a" * 2**21})
    error = await failure(opened, GEMINI)
    assert isinstance(error, UnusableResultError)
    assert [unit.amount for unit in error.billed] == [11, 8]


@pytest.mark.filterwarnings("ignore:.* is not a valid FinishReason")
@pytest.mark.parametrize(
    ("answer", "category", "told"),
    [
        (gemini("SAFETY"), Category.CONTENT_POLICY, "SAFETY"),
        (gemini("RECITATION"), Category.CONTENT_POLICY, "RECITATION"),
        (gemini("PROHIBITED_CONTENT"), Category.CONTENT_POLICY, "PROHIBITED_CONTENT"),
        (gemini("MODEL_ARMOR"), Category.CONTENT_POLICY, "MODEL_ARMOR"),
        (gemini("IMAGE_RECITATION"), Category.CONTENT_POLICY, "IMAGE_RECITATION"),
        (gemini("SPII", {"text": "I must not"}), Category.CONTENT_POLICY, "I must not"),
        (_json({"promptFeedback": {"blockReason": "JAILBREAK"}, "usageMetadata": {}}),
         Category.CONTENT_POLICY, "JAILBREAK"),
        (gemini("MAX_TOKENS", {"text": "A red"}), Category.VALIDATION, "max_tokens (100)"),
        (gemini("CONTINUATION", {"text": "A red"}, continuationToken="dG9rZW4="),
         Category.VALIDATION, "longer than one request"),
        (gemini("OTHER", {"text": "A red"}), Category.PROVIDER_ERROR, "OTHER"),
        (gemini("LANGUAGE"), Category.PROVIDER_ERROR, "LANGUAGE"),
        (gemini("SOMETHING_NEW", {"text": "A red"}), Category.PROVIDER_ERROR, "SOMETHING_NEW"),
        (gemini("STOP"), Category.PROVIDER_ERROR, "contains no reply"),
        (gemini(None), Category.PROVIDER_ERROR, "contains no reply"),
        (_json({"candidates": []}), Category.PROVIDER_ERROR, "contains no reply"),
    ],
)  # fmt: skip
async def test_gemini_without_a_reply_says_why(
    server: Server, opened: Chats, answer: bytes, category: Category, told: str
) -> None:
    server.answers[PATHS[GEMINI]] = answer
    error = await failure(opened, GEMINI)
    assert (error.category, error.is_final) == (category, True)
    assert told in str(error)
    assert len(server.requests) == 1


async def test_openais_failed_response_is_told(server: Server, opened: Chats) -> None:
    failed = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "failed",
        "error": {"code": "server_error", "message": "The model failed"},
        "incomplete_details": None,
        "model": "gpt-4.1",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    server.answers[PATHS[OPENAI]] = _json(failed)
    error = await failure(opened, OPENAI)
    assert (error.category, error.is_final) == (Category.PROVIDER_ERROR, True)
    assert len(server.requests) == 1


@EACH
async def test_the_blanks_around_a_key_are_no_part_of_it(
    server: Server, vendor: AiProvider
) -> None:
    server.answers[PATHS[vendor]] = reply(b"{}", status="401 Unauthorized")
    async with chats(server.url(""), **{vendor.value: {"key": " sk-secret\n"}}) as built:
        assert (await failure(built, vendor)).category is Category.AUTHENTICATION
    assert "sk-secret\r\n" in server.requests[0]


@EACH
@pytest.mark.parametrize("key", ["sk-secret\n1", "sk-secret\u200b1"])
async def test_a_key_that_is_no_header_is_told_nobody(
    server: Server, vendor: AiProvider, key: str
) -> None:
    server.answers[PATHS[vendor]] = reply(b"{}", status="401 Unauthorized")
    async with chats(server.url(""), **{vendor.value: {"key": key}}) as built:
        error = await failure(built, vendor)
    assert "sk-secret" not in "".join(traceback.format_exception(error))


ODD = [
    {},
    {"content": 5, "output": 5, "choices": 5, "candidates": 5},
    {"content": [{"type": "text", "text": None}], "usage": {"input_tokens": 1, "output_tokens": 1}},
    {"candidates": [{"content": {"parts": [{"inlineData": {"data": "@@"}}]}}]},
]


@EACH
@pytest.mark.parametrize("body", ODD)
async def test_a_response_of_another_form_is_told_in_our_words(
    server: Server, opened: Chats, vendor: AiProvider, body: Any
) -> None:
    server.answers[PATHS[vendor]] = reply(json.dumps(body).encode())
    error = await failure(opened, vendor)
    assert (error.category, error.is_final) == (Category.PROVIDER_ERROR, True)
    assert "cannot be read: it does not" in str(error) or "contains no reply: it" in str(error)
    assert error.__cause__ is None
