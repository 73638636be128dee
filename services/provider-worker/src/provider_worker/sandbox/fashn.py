"""FASHN: run, status, credits."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from provider_worker.sandbox.faults import Canned, rate_limits
from provider_worker.sandbox.ledger import Charge, Entry
from provider_worker.sandbox.orders import Order, marker_of, ratio_of
from provider_worker.sandbox.pictures import BadPictureError
from provider_worker.sandbox.playing import BadBodyError, read_object, work_response
from provider_worker.sandbox.schemas.tables import Problem, read_table
from provider_worker.sandbox.wires import Job, Wire, fingerprint, media_url

_SCHEMAS = read_table("fashn")
_V16, _MAX = "tryon-v1.6", "tryon-max"
_V16_SIZE = (864, 1296)
_BODY = frozenset({"model_name", "inputs", "webhook_url"})
_TIME_OUT = "time_out"
_SIDES = {"1k": 1024, "2k": 2048, "4k": 4096}
_CREDITS = {"1k": 1, "2k": 2, "4k": 4}


class Fashn(Wire):
    """FASHN's try-on models."""

    name = "fashn"

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/run", self.run, methods=["POST"]),
            Route("/v1/status/{id}", self.status),
            Route("/v1/credits", self.credits),
        ]

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key of `Authorization: Bearer …`."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key if scheme == "Bearer" else ""

    def canned(self) -> Mapping[str, Canned]:
        """Return the ready-made faults."""
        concurrency = _error("ConcurrencyLimitExceeded", "Too many predictions at the same time")
        flagged = "The garment image was flagged by content moderation"
        return {
            **rate_limits(_error("RateLimitExceeded", "Too many requests")),
            "concurrency": Canned(429, concurrency),
            "out_of_credit": Canned(429, _error("OutOfCredits", "No API credits remain")),
            "content_policy": Canned(error=flagged, error_type="ContentModerationError"),
        }

    def order(self, entry: Entry) -> Order:
        """Return the pictures that a try-on asks for: the model's, edited."""
        given = entry.input
        is_max = entry.app == _MAX
        side = _SIDES[given.get("resolution", "1k")]
        return Order(
            sources=_sources(given),
            prompt=given.get("prompt", ""),
            seed=given.get("seed"),
            count=given.get("num_images" if is_max else "num_samples", 1),
            size=None if is_max else _V16_SIZE,
            area=side * side,
            ratio=ratio_of(given.get("aspect_ratio")),
            kind=given.get("output_format", "png").upper(),
        )

    async def run(self, request: Request) -> Response:
        """Accept a prediction."""
        if not self.has_key(request):
            return _unauthorized()
        try:
            body = await read_object(request)
        except BadBodyError:
            return self.refused([Problem((), "the body is no JSON object", "json_invalid")])
        app, given = str(body.get("model_name", "")), body.get("inputs")
        inputs: dict[str, Any] = given if isinstance(given, dict) else {}  # pyright: ignore[reportUnknownVariableType] -- JSON
        job = Job(
            app=app,
            marker=marker_of(inputs, *_sources(inputs)),
            input=inputs,
            charge=_charge(app, inputs),
            problems=_problems(app, inputs, body),
        )
        return await self.submitted(request, job)

    async def accepted(self, request: Request, entry: Entry) -> Response:
        """Return the prediction's id."""
        return JSONResponse({"id": entry.request_id, "error": None})

    def refused(self, problems: Sequence[Problem]) -> Response:
        """Return 400, and the faults in words."""
        told = "; ".join(f"{problem.field}: {problem.msg}".strip(": ") for problem in problems)
        return JSONResponse(_error("BadRequest", told), 400)

    async def status(self, request: Request) -> Response:
        """Return the status, with the pictures of a completed prediction."""
        if not self.has_key(request):
            return _unauthorized()
        entry = self.entry(request.path_params["id"])
        if entry is None:
            return JSONResponse(_error("NotFound", "The prediction is not tracked"), 404)
        entry.polls += 1
        if not entry.is_done:
            state = "processing" if entry.is_started else "in_queue"
            response = JSONResponse(_shown(entry, state))
        else:
            response = await self.struck(
                "result", request, entry, await self._ended(request, entry)
            )
        return await self.struck("status", request, entry, response)

    async def _ended(self, request: Request, entry: Entry) -> Response:
        work = entry.work
        if replaced := work_response(work):
            return replaced
        if work.error_type == _TIME_OUT:
            return JSONResponse(_shown(entry, _TIME_OUT))
        if work.error or work.error_type:
            return _failed(entry, work.error_type or "PipelineError", work.error or "")
        try:
            media = await self.media(entry)
        except BadPictureError as error:
            return _failed(entry, "ImageLoadError", str(error))
        is_inline = entry.input.get("return_base64")
        output = [
            medium.data_url if is_inline else media_url(request, entry, index, medium)
            for index, medium in enumerate(media)
        ]
        headers = {"x-fashn-credits-used": f"{entry.charge.amount:g}"}
        return JSONResponse(_shown(entry, "completed", output=output), headers=headers)

    async def credits(self, request: Request) -> Response:
        """Return the credits that the key has left."""
        if not self.has_key(request):
            return _unauthorized()
        key = fingerprint(self.key_of(request.headers))
        used = self.desk.ledger.charged(self.name, key)
        left = max(0, self.desk.settings.fashn_credits - int(used))
        return JSONResponse({"credits": {"total": left, "subscription": 0, "on_demand": left}})


def _sources(given: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("model_image", "garment_image", "product_image")
    return tuple(given[name] for name in names if isinstance(given.get(name), str))


def _charge(app: str, given: Mapping[str, Any]) -> Charge:
    count = given.get("num_images" if app == _MAX else "num_samples", 1)
    each = _CREDITS.get(str(given.get("resolution", "1k")), 1)
    return Charge("credits", (count if isinstance(count, int) else 1) * each)


def _problems(app: str, given: Mapping[str, Any], body: Mapping[str, Any]) -> list[Problem]:
    if app not in _SCHEMAS:
        known = ", ".join(_SCHEMAS)
        return [Problem(("model_name",), f"Input should be one of {known}", "literal_error")]
    strays = [
        Problem((name,), "Extra inputs are not permitted", "extra_forbidden")
        for name in sorted(set(body) - _BODY)
    ]
    faults = _SCHEMAS[app].problems(given)
    return strays + [Problem(("inputs", *each.loc), each.msg, each.type) for each in faults]


def _shown(entry: Entry, status: str, **more: Any) -> dict[str, Any]:
    return {"id": entry.request_id, "status": status, "error": None} | more


def _failed(entry: Entry, name: str, message: str) -> Response:
    return JSONResponse(_shown(entry, "failed", error={"name": name, "message": message}))


def _error(name: str, message: str) -> dict[str, str]:
    return {"error": name, "message": message}


def _unauthorized() -> Response:
    return JSONResponse(_error("UnauthorizedAccess", "Unauthorized: Invalid token"), 401)
