"""Ollama: its own chat, its list of models, and Chat Completions at the path that OpenAI has."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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
from provider_worker.sandbox.schemas.chats import NativeChat, OllamaCompletion, problems
from provider_worker.sandbox.schemas.tables import Problem

_NATIVE, _COMPLETIONS = "api/chat", "chat/completions"
_MISSING = "model"
_REASONS = {"stop": "stop", "cut_off": "length", "refusal": "stop", "content_filter": "stop"}


class Ollama(ChatWire):
    """Ollama's server, which needs no key."""

    name = "ollama"

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/chat", self.chat, methods=["POST"]),
            Route("/api/tags", self.tags),
        ]

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key of `Authorization: Bearer …`, which is not looked at."""
        return bearer(headers)

    def has_key(self, request: Request) -> bool:
        """Return true."""
        return True

    def canned(self) -> Mapping[str, Canned]:
        """Return the ready-made faults."""
        busy = failure(503, "server busy, please try again.  maximum pending requests exceeded")
        limit = failure(429, "too many concurrent requests")
        unpaid = failure(402, "you have reached your weekly usage limit, upgrade for higher limits")
        return {
            **ENDINGS,
            **rate_limits(limit),
            "concurrency": Canned(429, limit),
            "out_of_credit": Canned(402, unpaid),
            "overloaded": Canned(503, busy),
        }

    async def chat(self, request: Request) -> Response:
        """Answer Ollama's own chat."""
        body = await body_of(request)
        return await self.asked(request, _NATIVE, self._faults(NativeChat, body))

    async def completions(self, request: Request, body: dict[str, Any]) -> Response:
        """Answer Chat Completions."""
        return await self.asked(request, _COMPLETIONS, self._faults(OllamaCompletion, body))

    def _faults(self, model: Any, body: dict[str, Any] | None) -> Sequence[Problem] | None:
        if body is None:
            return None
        found = problems(model, body)
        name = str(body.get("model", ""))
        if not found and name.partition(":")[0] not in self._known():
            return [Problem((), f"model '{name}' not found", _MISSING)]
        return found

    def _known(self) -> list[str]:
        return [name.partition(":")[0] for name in self.desk.settings.ollama_models]

    def question(self, app: str, body: Mapping[str, Any]) -> Question:
        """Return the question of either API."""
        if app == _COMPLETIONS:
            return question_of(body)
        messages: list[dict[str, Any]] = body["messages"]
        form = body.get("format")
        said = [each.get("content", "") for each in messages if each["role"] != "system"]
        rules = [each.get("content", "") for each in messages if each["role"] == "system"]
        return Question(
            model=body["model"],
            prompt="\n".join(said),
            system="\n".join(rules),
            pictures=[picture for each in messages for picture in each.get("images") or ()],
            schema={"type": "object"} if form == "json" else form or None,
            max_tokens=inner(body, "options").get("num_predict"),
        )

    def replied(self, app: str, entry: Entry, question: Question, answer: Answer) -> Response:
        """Return the reply."""
        if app == _COMPLETIONS:
            return respond(completion(entry, question, answer))
        body = {
            "model": question.model,
            "created_at": datetime.now(UTC).isoformat(),
            "message": {"role": "assistant", "content": answer.text},
            "done": True,
            "done_reason": _REASONS[answer.kind],
            "total_duration": 1_000_000,
            "load_duration": 0,
            "prompt_eval_count": answer.input_tokens,
            "prompt_eval_duration": 500_000,
            "eval_count": answer.output_tokens,
            "eval_duration": 500_000,
        }
        if entry.input.get("stream", True):
            return Response(json.dumps(body) + "\n", media_type="application/x-ndjson")
        return respond(body)

    def refused(self, problems: Sequence[Problem]) -> Response:
        """Return the faults in words, in the form that both APIs' clients read."""
        status = 404 if any(each.type == _MISSING for each in problems) else 400
        return respond(failure(status, told(problems)), status)

    def unauthorized(self) -> Response:
        """Return 401, which only Ollama's cloud does."""
        return respond({"error": "unauthorized"}, 401)

    async def tags(self, _request: Request) -> Response:
        """Return the list of models."""
        at = "2026-01-02T03:04:05Z"
        models = [
            {"name": name, "model": name, "modified_at": at, "size": 1, "digest": "0" * 64}
            for name in self.desk.settings.ollama_models
        ]
        return respond({"models": models})
