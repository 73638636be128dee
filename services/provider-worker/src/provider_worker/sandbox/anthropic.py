"""Anthropic: Messages, as JSON and as server-sent events."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from provider_worker.sandbox.chats import (
    ENDINGS,
    Answer,
    ChatWire,
    Question,
    bearer,
    body_of,
    inner,
    respond,
    told,
)
from provider_worker.sandbox.faults import Canned, rate_limits
from provider_worker.sandbox.ledger import Entry
from provider_worker.sandbox.schemas.chats import MessagesBody, problems
from provider_worker.sandbox.schemas.tables import Problem

_APP = "messages"
_MAX_UNIONS, _MAX_OPTIONAL = 16, 24
_REFUSED_KEYS = ("minimum", "maximum", "multipleOf", "minLength", "maxLength")
_NO_TEMPERATURE = ("claude-opus-4-8",)
_REASONS = {
    "stop": "end_turn",
    "cut_off": "max_tokens",
    "refusal": "refusal",
    "content_filter": "refusal",
}


class Anthropic(ChatWire):
    """Anthropic's API."""

    name = "anthropic"

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/v1/messages", self.messages, methods=["POST"])]

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key of either style: `x-api-key`, or `Authorization: Bearer …`."""
        return headers.get("x-api-key") or bearer(headers)

    def canned(self) -> Mapping[str, Canned]:
        """Return the ready-made faults."""
        limit = _failure("rate_limit_error", "This request would exceed your rate limit")
        credit = _failure("invalid_request_error", "Your credit balance is too low")
        return {
            **ENDINGS,
            **rate_limits(limit),
            "concurrency": Canned(429, limit),
            "out_of_credit": Canned(400, credit),
            "overloaded": Canned(529, _failure("overloaded_error", "Overloaded")),
        }

    async def messages(self, request: Request) -> Response:
        """Answer Messages."""
        body = await body_of(request)
        return await self.asked(request, _APP, None if body is None else _faults(body))

    def question(self, app: str, body: Mapping[str, Any]) -> Question:
        """Return the question."""
        prompts: list[str] = []
        pictures: list[str] = []
        for turn in body["messages"]:
            content = turn["content"]
            plain: list[dict[str, Any]] = [{"type": "text", "text": content}]
            parts = plain if isinstance(content, str) else content
            for part in parts:
                if part["type"] == "text":
                    prompts.append(part["text"])
                else:
                    pictures.append(part["source"]["data"])
        system = body.get("system") or ""
        rules = system if isinstance(system, str) else "\n".join(each["text"] for each in system)
        tools: list[dict[str, Any]] = body.get("tools") or []
        choice = inner(body, "tool_choice").get("type")
        is_tool = bool(tools) and choice in ("any", "tool")
        form = inner(body, "output_config", "format")
        return Question(
            model=body["model"],
            prompt="\n".join(prompts),
            system=rules,
            pictures=pictures,
            schema=tools[0]["input_schema"] if is_tool else form.get("schema"),
            max_tokens=body["max_tokens"],
            is_tool=is_tool,
        )

    def replied(self, app: str, entry: Entry, question: Question, answer: Answer) -> Response:
        """Return the reply: a message, or its events."""
        message = _message(entry, question, answer)
        if entry.input.get("stream"):
            return Response("".join(_events(message)), media_type="text/event-stream")
        return respond(message, headers={"request-id": f"req_{entry.request_id}"})

    def refused(self, problems: Sequence[Problem]) -> Response:
        """Return 400, and the faults in words."""
        return respond(_failure("invalid_request_error", told(problems)), 400)

    def unauthorized(self) -> Response:
        """Return 401."""
        return respond(_failure("authentication_error", "invalid x-api-key"), 401)


def _faults(body: dict[str, Any]) -> list[Problem]:
    found = problems(MessagesBody, body)
    if body.get("model") in _NO_TEMPERATURE and body.get("temperature") is not None:
        found.append(Problem(("temperature",), "is not supported by this model", "value_error"))
    schema = inner(body, "output_config", "format").get("schema")
    if not found and schema is not None:
        found += _schema_faults(schema)
    return found


def _schema_faults(schema: Mapping[str, Any]) -> Iterator[Problem]:
    objects = list(_objects(schema))
    optional = sum(len(set(each["properties"]) - set(each.get("required", ()))) for each in objects)
    fields = [field for each in objects for field in each["properties"].values()]
    unions = sum("anyOf" in field or isinstance(field.get("type"), list) for field in fields)
    if optional > _MAX_OPTIONAL:
        yield _schema_fault(f"too many optional parameters ({optional})")
    if unions > _MAX_UNIONS:
        yield _schema_fault(f"too many parameters with union types ({unions})")
    for field in fields:
        for key in _REFUSED_KEYS:
            if key in field:
                yield _schema_fault(f"property '{key}' is not supported")
    if any(each.get("additionalProperties") is not False for each in objects):
        yield _schema_fault("'additionalProperties' must be explicitly set to false")


def _schema_fault(message: str) -> Problem:
    return Problem(("output_config", "format", "schema"), message, "value_error")


def _objects(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, dict):
        given = cast("dict[str, Any]", node)
        if isinstance(given.get("properties"), dict):
            yield given
        for name, value in given.items():
            if name != "$defs":
                yield from _objects(value)
    elif isinstance(node, list):
        for value in cast("list[Any]", node):
            yield from _objects(value)


def _message(entry: Entry, question: Question, answer: Answer) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": answer.text}
    reason = _REASONS[answer.kind]
    if question.is_tool and answer.kind == "stop":
        name = entry.input["tools"][0]["name"]
        tool = {"id": f"toolu_{entry.request_id[:8]}", "name": name}
        block = {"type": "tool_use", **tool, "input": json.loads(answer.text)}
        reason = "tool_use"
    return {
        "id": f"msg_{entry.request_id}",
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": [block] if answer.text else [],
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": answer.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": answer.output_tokens,
        },
    }


def _events(message: Mapping[str, Any]) -> Iterator[str]:
    start: dict[str, Any] = {**message, "content": [], "stop_reason": None}
    yield _event("message_start", message=start)
    for index, block in enumerate(message["content"]):
        text = block.get("text", "")
        yield _event("content_block_start", index=index, content_block={**block, "text": ""})
        delta = {"type": "text_delta", "text": text}
        yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=ending, usage=message["usage"])
    yield _event("message_stop")


def _event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"


def _failure(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
