"""Gemini: `generateContent` of the Gemini API, of Vertex express and of a Vertex project."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from provider_worker.sandbox.faults import RETRY_S, Canned, rate_limits
from provider_worker.sandbox.gemini_pictures import (
    is_image_model,
    ratios_of,
    size_of,
    sizes_of,
    tokens_of,
)
from provider_worker.sandbox.gemini_requests import (
    image_size,
    pictures_in,
    prompt_of,
    ratio,
    schema_of,
    seed_of,
    shown_input,
)
from provider_worker.sandbox.ledger import Charge, Entry
from provider_worker.sandbox.orders import Order, inline_content
from provider_worker.sandbox.pictures import BadPictureError
from provider_worker.sandbox.pictures import size_of as picture_size
from provider_worker.sandbox.playing import BadBodyError, read_object
from provider_worker.sandbox.schemas.gemini import GenerateContent
from provider_worker.sandbox.schemas.tables import Problem, Schema
from provider_worker.sandbox.studio import Medium
from provider_worker.sandbox.wires import AtOnceWire, Job

_SCHEMA = Schema(GenerateContent, ())
_MODEL = "models/{model}:generateContent"
_PROJECT = "/v1beta1/projects/{project}/locations/{location}/publishers/google/" + _MODEL
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_DRAFT_SIZE = (64, 64)
_TOKENS_OF_PICTURE = 560
_THOUGHTS = 96
_REFUSAL = "I'm unable to create this picture, since it shows a real person."


class Gemini(AtOnceWire):
    """Google's Gemini models."""

    name = "gemini"

    def routes(self) -> list[Route]:
        """Return the routes of the three accesses, and the token endpoint of service accounts."""
        paths = (f"/v1beta/{_MODEL}", f"/v1beta1/publishers/google/{_MODEL}", _PROJECT)
        return [
            *(Route(path, self.generate, methods=["POST"]) for path in paths),
            Route("/token", self.token, methods=["POST"]),
        ]

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the API key, or the token of `Authorization: Bearer …`."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return headers.get("x-goog-api-key") or (token if scheme == "Bearer" else "")

    def has_key(self, request: Request) -> bool:
        """Tell whether a request has an accepted key; it may also be in the query."""
        key = request.query_params.get("key") or self.key_of(request.headers)
        is_project = "project" in request.path_params
        is_token = "authorization" in request.headers
        return key in self.desk.settings.keys and is_project == is_token

    def canned(self) -> Mapping[str, Canned]:
        """Return the ready-made faults."""
        minute, day = _quota("PerMinute"), _quota("PerDay")
        wait = {"@type": f"{_RPC}RetryInfo", "retryDelay": f"{RETRY_S}s"}
        capacity = {"@type": f"{_RPC}ErrorInfo", "reason": "MODEL_CAPACITY_EXHAUSTED"}
        exhausted = "RESOURCE_EXHAUSTED"
        told = "You exceeded your current quota"
        return {
            **rate_limits(_error(429, exhausted, told, minute)),
            "retry_info": Canned(429, _error(429, exhausted, told, minute, wait)),
            "quota_per_day": Canned(429, _error(429, exhausted, told, day, wait)),
            "concurrency": Canned(429, _error(429, exhausted, "No capacity", capacity)),
            "out_of_credit": Canned(402, _error(402, exhausted, "Your credits are depleted")),
            "content_policy": Canned(
                200, _refused({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
            ),
            "no_image": Canned(200, _ended("NO_IMAGE")),
            "image_safety": Canned(200, _ended("IMAGE_SAFETY", finishMessage="Unsafe picture")),
            "max_tokens": Canned(200, _ended("MAX_TOKENS", "The dress is")),
            "text_only": Canned(200, _ended("STOP", _REFUSAL)),
            "empty": Canned(200, _refused({"candidates": [{"finishReason": "STOP"}]})),
            "continuation": Canned(
                200, _ended("CONTINUATION", "The", continuationToken="dG9rZW4=")
            ),
        }

    async def generate(self, request: Request) -> Response:
        """Generate a picture or a text."""
        if not self.has_key(request):
            return _unauthorized(request)
        model: str = request.path_params["model"]
        if not model.startswith("gemini-"):
            message = f"models/{model} is not found for API version v1beta"
            return JSONResponse(_error(404, "NOT_FOUND", message), 404)
        try:
            body = await read_object(request)
        except BadBodyError:
            return self.refused([Problem((), "the body is no JSON object", "json_invalid")])
        job = Job(
            app=model,
            marker=prompt_of(body),
            input=shown_input(body),
            charge=Charge("tokens", 0),
            problems=[*_SCHEMA.problems(body), *_limits(model, body)],
        )
        return await self.submitted(request, job)

    def order(self, entry: Entry) -> Order:
        """Return the order of a picture, less its source, which the ledger does not keep."""
        given = entry.input
        return self._order(entry, [], size_of(entry.app, ratio(given), image_size(given), None))

    def _order(self, entry: Entry, sources: Sequence[str], size: tuple[int, int]) -> Order:
        return Order(
            sources=tuple(sources[:1]),
            prompt=prompt_of(entry.input),
            seed=seed_of(entry.input),
            size=size[::-1] if entry.work.like == "wrong_ratio" else size,
            is_plain=True,
        )

    async def accepted(self, request: Request, entry: Entry) -> Response:
        """Return the picture or the text, and the numbers of tokens."""
        body = await read_object(request)
        sources = pictures_in(body)
        asked = (len(prompt_of(body)) + 3) // 4 + _TOKENS_OF_PICTURE * len(sources)
        try:
            if is_image_model(entry.app):
                parts = await self._drawn(body, entry, sources)
                told = tokens_of(entry.app, image_size(body))
            else:
                parts = [{"text": _reply(body, sources)}]
                told = (len(parts[0]["text"]) + 3) // 4
        except BadPictureError:
            return self.refused([Problem((), "Unable to process input image", "picture")])
        entry.charge = Charge("tokens", asked + told + _THOUGHTS, entry.charge.price)
        candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}
        return JSONResponse(
            {
                "candidates": [candidate | {"index": 0}],
                "usageMetadata": _usage(asked, told, _THOUGHTS),
                "modelVersion": entry.app,
                "responseId": entry.request_id,
            }
        )

    async def _drawn(
        self, body: Mapping[str, Any], entry: Entry, sources: Sequence[str]
    ) -> list[dict[str, Any]]:
        content = inline_content(sources[0]) if sources else None
        if sources and content is None:
            raise BadPictureError("no base64")
        source = picture_size(content) if content else None
        size = size_of(entry.app, ratio(body), image_size(body), source)
        order = self._order(entry, sources, size)
        media = await self.desk.studio.media(entry.request_id, lambda: order)
        parts = [{"inlineData": _blob(media[0]), "thoughtSignature": "c2lnbmVk"}]
        if entry.work.like == "draft":
            draft = self._order(entry, sources, _DRAFT_SIZE)
            drafts = await self.desk.studio.media(f"{entry.request_id}/draft", lambda: draft)
            thoughts = [{"text": "I begin with a draft."}, {"inlineData": _blob(drafts[0])}]
            parts = [*({**thought, "thought": True} for thought in thoughts), *parts]
        return parts

    def refused(self, problems: Sequence[Problem]) -> Response:
        """Return 400, and the faults by field."""
        violations = [{"field": each.field, "description": _told(each)} for each in problems]
        detail = {"@type": f"{_RPC}BadRequest", "fieldViolations": violations}
        message = "; ".join(each["description"] for each in violations)
        return JSONResponse(_error(400, "INVALID_ARGUMENT", message, detail), 400)

    async def token(self, request: Request) -> Response:
        """Return an access token for a service account's signed claim, which is not verified."""
        form = parse_qs((await request.body()).decode(errors="replace"))
        claim = _claim(form.get("assertion", [""])[0])
        if form.get("grant_type") != [_GRANT] or claim.get("exp", 0) < time.time():
            return JSONResponse({"error": "invalid_grant", "error_description": "Bad claim"}, 400)
        token = {"access_token": self.desk.settings.keys[0], "token_type": "Bearer"}
        return JSONResponse(token | {"expires_in": 3599})


_RPC = "type.googleapis.com/google.rpc."


def _limits(model: str, body: Mapping[str, Any]) -> list[Problem]:
    """Return the faults of a well-formed request that lie in the model."""
    config = body.get("generationConfig")
    config = config if isinstance(config, dict) else {}
    able = {"aspectRatio": ratios_of(model), "imageSize": sizes_of(model)}
    given = {"aspectRatio": ratio(body), "imageSize": image_size(body)}
    at = ("generationConfig", "imageConfig")
    if not is_image_model(model):
        wants = "IMAGE" in (config.get("responseModalities") or [])
        where = ("generationConfig", "responseModalities")
        return [Problem(where, "the model makes no pictures", "value")] if wants else []
    return [
        Problem((*at, name), f"{value} is not supported by {model}", "value")
        for name, value in given.items()
        if value is not None and value not in able[name]
    ]


def _reply(body: Mapping[str, Any], sources: Sequence[str]) -> str:
    schema = schema_of(body)
    if schema is None:
        return f"You said: {prompt_of(body)}"
    return json.dumps(dict.fromkeys(schema.get("properties", {})))


def _blob(medium: Medium) -> dict[str, str]:
    data = base64.b64encode(medium.content).decode()
    return {"mimeType": medium.content_type, "data": data}


def _ended(reason: str, text: str = "", **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"finishReason": reason, "index": 0}
    if text:
        candidate["content"] = {"parts": [{"text": text}], "role": "model"}
    token = {name: more.pop(name) for name in ("continuationToken",) if name in more}
    return _refused({"candidates": [candidate | more], **token})


def _refused(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"usageMetadata": _usage(300, 0, 40), "responseId": "sandbox-refusal", **body}


def _usage(asked: int, told: int, thought: int) -> dict[str, int]:
    return {
        "promptTokenCount": asked,
        "candidatesTokenCount": told,
        "thoughtsTokenCount": thought,
        "totalTokenCount": asked + told + thought,
    }


def _quota(period: str) -> dict[str, Any]:
    quota = f"GenerateRequests{period}PerProjectPerModel"
    return {"@type": f"{_RPC}QuotaFailure", "violations": [{"quotaId": quota}]}


def _told(problem: Problem) -> str:
    if problem.is_stray:
        return f'Unknown name "{problem.field}": Cannot find field.'
    return f"{problem.field}: {problem.msg}".strip(": ")


def _error(code: int, status: str, message: str, *details: Mapping[str, Any]) -> dict[str, Any]:
    found = {"details": list(details)} if details else {}
    return {"error": {"code": code, "message": message, "status": status, **found}}


def _unauthorized(request: Request) -> Response:
    if "project" in request.path_params:
        message = "Request had invalid authentication credentials."
        return JSONResponse(_error(401, "UNAUTHENTICATED", message), 401)
    invalid = {"@type": f"{_RPC}ErrorInfo", "reason": "API_KEY_INVALID"}
    message = "API key not valid. Please pass a valid API key."
    return JSONResponse(_error(400, "INVALID_ARGUMENT", message, invalid), 400)


def _claim(assertion: str) -> dict[str, Any]:
    """Return the claim of a JSON web token; empty if it is none."""
    parts = assertion.split(".")
    try:
        claim = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except (IndexError, ValueError):
        return {}
    return claim if isinstance(claim, dict) else {}  # pyright: ignore[reportUnknownVariableType] -- JSON
