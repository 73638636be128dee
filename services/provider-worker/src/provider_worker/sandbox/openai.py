"""OpenAI: Chat Completions and Responses."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
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
from provider_worker.sandbox.completions import completion, failure, question_of
from provider_worker.sandbox.faults import Canned, rate_limits
from provider_worker.sandbox.ledger import Entry
from provider_worker.sandbox.ollama import Ollama
from provider_worker.sandbox.schemas.chats import Completion, ResponsesBody, problems
from provider_worker.sandbox.schemas.tables import Problem
from provider_worker.sandbox.wires import Desk

_COMPLETIONS, _RESPONSES = "chat/completions", "responses"
_OWN = re.compile(r"(gpt-(?!oss)|o\d|chatgpt-)")
"""Names of OpenAI's models; all others at the shared path are Ollama's."""
_REASONING = re.compile(r"(o\d|gpt-5(-mini|-nano)?$)")
"""Models that take no temperature."""


class OpenAi(ChatWire):
    """OpenAI's API."""

    name = "openai"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._ollama = Ollama(desk)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/chat/completions", self.completions, methods=["POST"]),
            Route("/v1/responses", self.responses, methods=["POST"]),
        ]

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key of `Authorization: Bearer …`."""
        return bearer(headers)

    def canned(self) -> Mapping[str, Canned]:
        """Return the ready-made faults."""
        limit = failure(429, "Rate limit reached for requests", "rate_limit_exceeded")
        quota = failure(
            429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota"
        )
        busy = failure(503, "The engine is currently overloaded, please try again later")
        unsafe = failure(400, "Your prompt was flagged", "invalid_prompt")
        return {
            **ENDINGS,
            **rate_limits(limit),
            "concurrency": Canned(429, limit),
            "out_of_credit": Canned(429, quota),
            "overloaded": Canned(503, busy),
            "unsafe_prompt": Canned(400, unsafe),
        }

    async def completions(self, request: Request) -> Response:
        """Answer Chat Completions; a model that is not OpenAI's is asked at Ollama."""
        body = await body_of(request)
        if body is not None and not _OWN.match(str(body.get("model", ""))):
            return await self._ollama.completions(request, body)
        return await self.asked(request, _COMPLETIONS, _faults(Completion, body))

    async def responses(self, request: Request) -> Response:
        """Answer Responses."""
        body = await body_of(request)
        return await self.asked(request, _RESPONSES, _faults(ResponsesBody, body))

    def question(self, app: str, body: Mapping[str, Any]) -> Question:
        """Return the question of either API."""
        return question_of(body) if app == _COMPLETIONS else _question(body)

    def replied(self, app: str, entry: Entry, question: Question, answer: Answer) -> Response:
        """Return the reply."""
        reply = completion if app == _COMPLETIONS else _response
        headers = {"x-request-id": f"req_{entry.request_id}"}
        return respond(reply(entry, question, answer), headers=headers)

    def refused(self, problems: Sequence[Problem]) -> Response:
        """Return 400, and the faults in words."""
        is_stray = any(problem.is_stray for problem in problems)
        code = "unknown_parameter" if is_stray else "invalid_value"
        return respond(failure(400, told(problems), code), 400)

    def unauthorized(self) -> Response:
        """Return 401."""
        return respond(failure(401, "Incorrect API key provided", "invalid_api_key"), 401)


def _faults(model: type[BaseModel], body: dict[str, Any] | None) -> list[Problem] | None:
    if body is None:
        return None
    found = problems(model, body)
    if not found and body.get("stream"):
        found = [Problem(("stream",), "the sandbox does not stream", "value_error")]
    if _REASONING.match(str(body.get("model"))) and body.get("temperature") is not None:
        found.append(Problem(("temperature",), "Unsupported parameter", "value_error"))
    form = inner(body, "response_format", "json_schema") or inner(body, "text", "format")
    if not found and form.get("strict") and not _is_strict(form["schema"]):
        message = "Invalid schema: 'additionalProperties' is required to be false, and 'required'"
        found.append(Problem(("schema",), message, "invalid_json_schema"))
    return found


def _is_strict(schema: Mapping[str, Any]) -> bool:
    required = set(schema.get("required") or ())
    return schema.get("additionalProperties") is False and required == set(schema["properties"])


def _question(body: Mapping[str, Any]) -> Question:
    prompts: list[str] = []
    pictures: list[str] = []
    items = body["input"]
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    for item in items:
        content = item["content"]
        parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content
        for part in parts:
            if part["type"] == "input_text":
                prompts.append(part["text"])
            else:
                pictures.append(part["image_url"])
    return Question(
        model=body["model"],
        prompt="\n".join(prompts),
        system=body.get("instructions") or "",
        pictures=pictures,
        schema=inner(body, "text", "format").get("schema"),
        max_tokens=body.get("max_output_tokens"),
    )


def _response(entry: Entry, question: Question, answer: Answer) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "output_text", "text": answer.text, "annotations": []}
    if answer.kind == "refusal":
        part = {"type": "refusal", "refusal": answer.text}
    reasons = {"cut_off": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(answer.kind)
    status = "incomplete" if reason else "completed"
    message = {
        "id": f"msg_{entry.request_id}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": [part],
    }
    return {
        "id": f"resp_{entry.request_id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": question.system or None,
        "metadata": {},
        "model": question.model,
        "output": [message],
        "parallel_tool_calls": True,
        "temperature": entry.input.get("temperature", 1.0),
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": answer.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": answer.input_tokens + answer.output_tokens,
        },
    }
