"""The official clients of OpenAI, Anthropic and Ollama drive the sandbox."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import httpx2
import jsonschema_rs
import ollama
import openai
import pytest

from provider_worker.sandbox.faults import Fault
from tests.fixtures.llm_activities import SCHEMA
from tests.fixtures.pictures import picture
from tests.fixtures.sandbox import OpenSandbox

_RED = base64.b64encode(picture("PNG", "red", (30, 40))).decode()
_URL = f"data:image/png;base64,{_RED}"
_SEEN = "A red picture (30x40). You asked: what is it?"
_JSON = {"name": "Garment", "schema": SCHEMA, "strict": True}
_SHOWN: Any = [
    {"type": "text", "text": "what is it?"},
    {"type": "image_url", "image_url": {"url": _URL}},
]
_LOOSE: dict[str, Any] = {"type": "json_schema", **_JSON, "schema": {**SCHEMA, "required": []}}


@pytest.fixture
async def gpt(sandbox: OpenSandbox) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key=sandbox.key,
        base_url=f"{sandbox.url}/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(trust_env=False, verify=False),
    ) as opened:
        yield opened


@pytest.fixture
async def claude(sandbox: OpenSandbox) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        api_key=sandbox.key,
        base_url=sandbox.url,
        max_retries=0,
        http_client=httpx2.AsyncClient(trust_env=False, verify=False),
    ) as opened:
        yield opened


@pytest.fixture
async def llama(sandbox: OpenSandbox) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(sandbox.url, trust_env=False, verify=False) as opened:
        yield opened


async def test_chat_completions(sandbox: OpenSandbox, gpt: openai.AsyncOpenAI) -> None:
    reply = await gpt.chat.completions.create(
        model="gpt-4.1", messages=[{"role": "user", "content": _SHOWN}], max_completion_tokens=99
    )
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (_SEEN, "stop")
    assert reply.usage
    (entry,) = sandbox.ledger.entries.values()
    assert entry.charge.amount == reply.usage.total_tokens
    assert (entry.charge.unit, entry.wire) == ("tokens", "openai")


async def test_chat_completions_follow_a_schema_and_stop_at_the_limit(
    gpt: openai.AsyncOpenAI,
) -> None:
    ask: Any = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "x"}]}
    form: Any = {"type": "json_schema", "json_schema": _JSON}
    reply = await gpt.chat.completions.create(**ask, response_format=form)
    jsonschema_rs.validate(SCHEMA, json.loads(reply.choices[0].message.content or ""))
    short = await gpt.chat.completions.create(**ask, max_tokens=2)
    assert short.choices[0].finish_reason == "length"
    assert short.usage
    assert short.usage.completion_tokens == 2


async def test_responses(gpt: openai.AsyncOpenAI) -> None:
    content: Any = [
        {"type": "input_text", "text": "what is it?"},
        {"type": "input_image", "image_url": _URL, "detail": "auto"},
    ]
    asked: Any = [{"role": "user", "content": content}]
    reply = await gpt.responses.create(model="gpt-4.1", input=asked, instructions="Be brief.")
    assert (reply.output_text, reply.status) == (_SEEN, "completed")
    form: Any = {"format": {"type": "json_schema", **_JSON}}
    found = await gpt.responses.create(model="gpt-4.1", input=asked, text=form)
    jsonschema_rs.validate(SCHEMA, json.loads(found.output_text))


@pytest.mark.parametrize(
    ("like", "expected"),
    [
        ("content_policy", ("completed", None, "refusal")),
        ("content_filter", ("incomplete", "content_filter", "output_text")),
        ("cut_off", ("incomplete", "max_output_tokens", "output_text")),
    ],
)
async def test_responses_end_in_other_ways(
    sandbox: OpenSandbox, gpt: openai.AsyncOpenAI, like: Any, expected: Any
) -> None:
    sandbox.play(Fault(on="work", like=like))
    reply: Any = await gpt.responses.create(model="gpt-4.1", input="x")
    reason = reply.incomplete_details and reply.incomplete_details.reason
    assert (reply.status, reason, reply.output[0].content[0].type) == expected


@pytest.mark.parametrize(
    ("like", "status", "code"),
    [
        ("rate_limit_seconds", 429, "rate_limit_exceeded"),
        ("out_of_credit", 429, "insufficient_quota"),
        ("unsafe_prompt", 400, "invalid_prompt"),
        ("overloaded", 503, None),
    ],
)
async def test_openais_errors_have_their_codes(
    sandbox: OpenSandbox, gpt: openai.AsyncOpenAI, like: Any, status: int, code: str | None
) -> None:
    sandbox.play(Fault(on="submit", like=like))
    with pytest.raises(openai.APIStatusError) as caught:
        await gpt.responses.create(model="gpt-4.1", input="x")
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert sandbox.ledger.entries == {}


@pytest.mark.parametrize(
    "more",
    [
        {"extra_body": {"colour": 1}},
        {"max_output_tokens": 15},
        {"temperature": 3},
        {"model": "o3", "temperature": 0.5},
        {"text": {"format": _LOOSE}},
    ],
)
async def test_openai_refuses_what_it_does_not_know(
    sandbox: OpenSandbox, gpt: openai.AsyncOpenAI, more: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError):
        await gpt.responses.create(**{"model": "gpt-4.1", "input": "x", **more})
    assert [stray["field"] for stray in sandbox.ledger.strays] == ["colour"] * (
        "extra_body" in more
    )


async def test_a_picture_that_cannot_be_read_is_refused(gpt: openai.AsyncOpenAI) -> None:
    content: Any = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    with pytest.raises(openai.BadRequestError, match="cannot be read"):
        await gpt.chat.completions.create(
            model="gpt-4.1", messages=[{"role": "user", "content": content}]
        )


def _messages(**more: Any) -> Any:
    source = {"type": "base64", "media_type": "image/png", "data": _RED}
    content = [{"type": "text", "text": "what is it?"}, {"type": "image", "source": source}]
    asked = [{"role": "user", "content": content}]
    return {"model": "claude-sonnet-4-6", "max_tokens": 500, "messages": asked} | more


async def test_messages(claude: anthropic.AsyncAnthropic) -> None:
    reply = await claude.messages.create(**_messages(system="Be brief."))
    assert [part.text for part in reply.content if part.type == "text"] == [_SEEN]
    assert reply.stop_reason == "end_turn"
    assert reply.usage.output_tokens > 0


async def test_messages_as_events(claude: anthropic.AsyncAnthropic) -> None:
    async with claude.messages.stream(**_messages()) as stream:
        text = "".join([part async for part in stream.text_stream])
        final = await stream.get_final_message()
    assert text == _SEEN
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens > 0


async def test_messages_follow_a_schema_or_a_tool(claude: anthropic.AsyncAnthropic) -> None:
    plain = {**SCHEMA, "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
    form = {"format": {"type": "json_schema", "schema": plain}}
    reply = await claude.messages.create(**_messages(output_config=form))
    jsonschema_rs.validate(plain, json.loads(reply.content[0].text))  # type: ignore[union-attr]
    tools = [{"name": "report", "input_schema": SCHEMA}]
    called = await claude.messages.create(**_messages(tools=tools, tool_choice={"type": "any"}))
    assert called.stop_reason == "tool_use"
    jsonschema_rs.validate(SCHEMA, called.content[0].input)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {f"f{index}": {} for index in range(25)}},
        {"type": "object", "properties": {f"f{index}": {"anyOf": [{}]} for index in range(17)}},
    ],
)
async def test_anthropic_refuses_schemas_beyond_its_limits(
    claude: anthropic.AsyncAnthropic, schema: dict[str, Any]
) -> None:
    form = {"format": {"type": "json_schema", "schema": schema}}
    with pytest.raises(anthropic.BadRequestError):
        await claude.messages.create(**_messages(output_config=form))


@pytest.mark.parametrize(
    ("like", "status", "kind"),
    [
        ("rate_limit", 429, "rate_limit_error"),
        ("out_of_credit", 400, "invalid_request_error"),
        ("overloaded", 529, "overloaded_error"),
    ],
)
async def test_anthropics_errors_have_their_types(
    sandbox: OpenSandbox, claude: anthropic.AsyncAnthropic, like: Any, status: int, kind: str
) -> None:
    sandbox.play(Fault(on="submit", like=like))
    with pytest.raises(anthropic.APIStatusError) as caught:
        await claude.messages.create(**_messages())
    body: Any = caught.value.body
    assert (caught.value.status_code, body["error"]["type"]) == (status, kind)


@pytest.mark.parametrize("like", ["content_policy", "cut_off"])
async def test_messages_end_in_other_ways(
    sandbox: OpenSandbox, claude: anthropic.AsyncAnthropic, like: Any
) -> None:
    sandbox.play(Fault(on="work", like=like))
    reply = await claude.messages.create(**_messages())
    assert reply.stop_reason == {"content_policy": "refusal", "cut_off": "max_tokens"}[like]


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
async def test_either_style_of_anthropics_key(
    sandbox: OpenSandbox, http: httpx.AsyncClient, header: str
) -> None:
    asked = _messages()
    key = sandbox.key if header == "x-api-key" else f"Bearer {sandbox.key}"
    answer = await http.post("/v1/messages", json=asked, headers={"authorization": "", header: key})
    assert answer.status_code == 200, answer.text
    answer = await http.post("/v1/messages", json=asked, headers={"authorization": "", header: "x"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")


async def test_ollamas_own_chat(sandbox: OpenSandbox, llama: ollama.AsyncClient) -> None:
    asked: Any = [{"role": "user", "content": "what is it?", "images": [_RED]}]
    reply = await llama.chat("llava", asked)
    assert (reply.message.content, reply.done_reason) == (_SEEN, "stop")
    parts = [part async for part in await llama.chat("llava", asked, stream=True)]
    assert "".join(part.message.content or "" for part in parts) == _SEEN
    found = await llama.chat("llava", asked, format=SCHEMA, options={"temperature": 0})
    jsonschema_rs.validate(SCHEMA, json.loads(found.message.content or ""))
    assert {entry.wire for entry in sandbox.ledger.entries.values()} == {"ollama"}


async def test_ollamas_models(llama: ollama.AsyncClient) -> None:
    names = [model.model for model in (await llama.list()).models]
    assert "llava:latest" in names
    with pytest.raises(ollama.ResponseError) as caught:
        await llama.chat("gone", [{"role": "user", "content": "x"}])
    assert caught.value.status_code == 404


async def test_the_shared_path_tells_vendors_apart_by_the_model(
    sandbox: OpenSandbox, gpt: openai.AsyncOpenAI
) -> None:
    for model in ("gpt-4.1", "llava", "gpt-oss:120b-cloud"):
        messages: Any = [{"role": "user", "content": model}]
        await gpt.chat.completions.create(model=model, messages=messages)
    wires = {entry.marker: entry.wire for entry in sandbox.ledger.entries.values()}
    assert wires == {"gpt-4.1": "openai", "llava": "ollama", "gpt-oss:120b-cloud": "ollama"}


async def test_a_body_that_is_no_object_is_refused(http: httpx.AsyncClient) -> None:
    for path in ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat"):
        key = {"authorization": http.headers["authorization"].replace("Key", "Bearer")}
        answer = await http.post(path, content=b"[1]", headers=key)
        assert (answer.status_code, path) == (400, path)
        assert "no JSON object" in answer.json()["error"]["message"]
