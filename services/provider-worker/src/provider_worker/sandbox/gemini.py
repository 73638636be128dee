"""Gemini: `generateContent` of the Gemini API, of Vertex express and of a Vertex project."""

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from provider_worker.sandbox.faults import Canned
from provider_worker.sandbox.gemini_messages import (
    THOUGHTS,
    TOKENS_OF_REFUSAL,
    canned,
    claim_of,
    error,
    invalid,
    unauthorized,
    usage,
)
from provider_worker.sandbox.gemini_pictures import (
    is_image_model,
    ratios_of,
    size_of,
    sizes_of,
    tokens_of,
)
from provider_worker.sandbox.gemini_requests import (
    image_size,
    max_tokens,
    modalities,
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
from provider_worker.sandbox.texts import count_tokens, reply_text
from provider_worker.sandbox.wires import AtOnceWire, Job

_SCHEMA = Schema(GenerateContent, ())
_MODEL = "models/{model}:generateContent"
_PROJECT = "/v1beta1/projects/{project}/locations/{location}/publishers/google/" + _MODEL
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_DRAFT_SIZE = (64, 64)
_TOKENS_OF_PICTURE = 560


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
        by_query, headers = request.query_params.get("key"), request.headers
        is_token = not by_query and "x-goog-api-key" not in headers
        key = by_query or self.key_of(headers)
        return key in self.desk.settings.keys and is_token == ("project" in request.path_params)

    def canned(self) -> Mapping[str, Canned]:
        """Return the ready-made faults."""
        return canned()

    async def generate(self, request: Request) -> Response:
        """Generate a picture or a text."""
        if not self.has_key(request):
            return unauthorized(is_project="project" in request.path_params)
        model: str = request.path_params["model"]
        if not model.startswith("gemini-"):
            message = f"models/{model} is not found for API version v1beta"
            return JSONResponse(error(404, "NOT_FOUND", message), 404)
        try:
            body = await read_object(request)
        except BadBodyError:
            return self.refused([Problem((), "the body is no JSON object", "json_invalid")])
        job = Job(
            app=model,
            marker=prompt_of(body),
            input=shown_input(body),
            charge=Charge("tokens", TOKENS_OF_REFUSAL),
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
            size=(size[1], size[0]) if entry.work.like == "wrong_ratio" else size,
            is_plain=True,
        )

    async def accepted(self, request: Request, entry: Entry) -> Response:
        """Return the picture or the text, and the numbers of tokens."""
        body = await read_object(request)
        sources = pictures_in(body)
        asked = count_tokens(prompt_of(body)) + _TOKENS_OF_PICTURE * len(sources)
        reason = "STOP"
        try:
            if is_image_model(entry.app) and modalities(body) != ["TEXT"]:
                parts = await self._drawn(body, entry, sources)
                told = tokens_of(entry.app, image_size(body))
            else:
                text = await asyncio.to_thread(_reply, body, sources)
                most = max_tokens(body)
                if most is not None and count_tokens(text) > most:
                    reason, text = "MAX_TOKENS", text[: 4 * most]
                parts, told = [{"text": text}], count_tokens(text)
        except BadPictureError:
            return self.refused([Problem((), "Unable to process input image", "picture")])
        entry.charge = Charge("tokens", asked + told + THOUGHTS, entry.charge.price)
        candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": reason}
        return JSONResponse(
            {
                "candidates": [candidate | {"index": 0}],
                "usageMetadata": usage(asked, told),
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
        return invalid(problems)

    async def token(self, request: Request) -> Response:
        """Return an access token for a service account's signed claim, which is not verified."""
        form = parse_qs((await request.body()).decode(errors="replace"))
        claim = claim_of(form.get("assertion", [""])[0])
        if form.get("grant_type") != [_GRANT] or claim.get("exp", 0) < time.time():
            return JSONResponse({"error": "invalid_grant", "error_description": "Bad claim"}, 400)
        token = {"access_token": self.desk.settings.keys[0], "token_type": "Bearer"}
        return JSONResponse(token | {"expires_in": 3599})


def _limits(model: str, body: Mapping[str, Any]) -> list[Problem]:
    """Return the faults of a well-formed request that lie in the model."""
    able = {"aspectRatio": ratios_of(model), "imageSize": sizes_of(model)}
    given = {"aspectRatio": ratio(body), "imageSize": image_size(body)}
    at = ("generationConfig", "imageConfig")
    if not is_image_model(model):
        wants = "IMAGE" in modalities(body)
        where = ("generationConfig", "responseModalities")
        return [Problem(where, "the model makes no pictures", "value")] if wants else []
    return [
        Problem((*at, name), f"{value} is not supported by {model}", "value")
        for name, value in given.items()
        if value is not None and value not in able[name]
    ]


def _reply(body: Mapping[str, Any], sources: Sequence[str]) -> str:
    contents = [content for each in sources if (content := inline_content(each))]
    return reply_text(prompt_of(body), contents, schema_of(body))


def _blob(medium: Medium) -> dict[str, str]:
    data = base64.b64encode(medium.content).decode()
    return {"mimeType": medium.content_type, "data": data}
