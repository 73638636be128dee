"""Magnific, formerly Freepik: the creative upscaler and precision V2."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from provider_worker.sandbox.faults import Canned, rate_limits
from provider_worker.sandbox.ledger import Charge, Entry
from provider_worker.sandbox.orders import Order, Size, inline_content, is_data_url, marker_of
from provider_worker.sandbox.pictures import BadPictureError, size_of
from provider_worker.sandbox.playing import BadBodyError, read_object, work_response
from provider_worker.sandbox.schemas.tables import Problem, read_table
from provider_worker.sandbox.wires import Job, Wire, media_url

_SCHEMAS = read_table("magnific")
_CREATIVE, _PRECISION = "image-upscaler", "image-upscaler-precision-v2"
_HEADERS = ("x-magnific-api-key", "x-freepik-api-key")
_SMALLEST_SIDE, _LONGEST_RATIO = 160, 3
_MOST_PIXELS, _LONGEST_SIDE = 25_300_000, 10_060


class Magnific(Wire):
    """Magnific's upscalers."""

    name = "magnific"

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            route
            for app in (_CREATIVE, _PRECISION)
            for route in (
                Route(f"/v1/ai/{app}", self.submit, methods=["POST"]),
                Route(f"/v1/ai/{app}/{{id}}", self.status),
            )
        ]

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key of either header."""
        return next((headers[name] for name in _HEADERS if name in headers), "")

    def canned(self) -> Mapping[str, Canned]:
        """Return the ready-made faults."""
        return {
            **rate_limits({"message": "Too many requests"}),
            "concurrency": Canned(429, {"message": "Too many tasks at the same time"}),
            "out_of_credit": Canned(402, {"message": "No credits remain"}),
            "content_policy": Canned(error="The picture was flagged"),
        }

    def order(self, entry: Entry) -> Order:
        """Return the enlarged picture that a task asks for."""
        return Order(
            sources=(entry.input["image"],),
            prompt=entry.input.get("prompt", ""),
            factor=_factor(entry.input),
            is_plain=True,
        )

    async def submit(self, request: Request) -> Response:
        """Accept a task."""
        if not self.has_key(request):
            return _unauthorized()
        app = request.url.path.rpartition("/")[2]
        try:
            given = await read_object(request)
        except BadBodyError:
            return self.refused([Problem((), "the body is no JSON object", "json_invalid")])
        image = given.get("image")
        sources = (image,) if isinstance(image, str) else ()
        job = Job(
            app=app,
            marker=marker_of(given, *sources),
            input=given,
            charge=Charge("requests", 1),
            problems=_SCHEMAS[app].problems(given) or _limits(app, given),
        )
        return await self.submitted(request, job)

    async def accepted(self, request: Request, entry: Entry) -> Response:
        """Return the task's id."""
        return self._shown(entry, "CREATED")

    def refused(self, problems: Sequence[Problem]) -> Response:
        """Return 400 with the faulty fields."""
        faults = [{"name": problem.field, "reason": problem.msg} for problem in problems]
        message = "Your request parameters did not validate."
        return JSONResponse({"message": message, "invalid_params": faults}, 400)

    async def status(self, request: Request) -> Response:
        """Return the status, with the picture of a completed task."""
        if not self.has_key(request):
            return _unauthorized()
        entry = self.entry(request.path_params["id"])
        if entry is None or not request.url.path.startswith(f"/v1/ai/{entry.app}/"):
            return JSONResponse({"message": "The task was not found"}, 404)
        entry.polls += 1
        if not entry.is_done:
            response = self._shown(entry, "IN_PROGRESS" if entry.is_started else "CREATED")
        else:
            response = await self.struck(
                "result", request, entry, await self._ended(request, entry)
            )
        return await self.struck("status", request, entry, response)

    async def _ended(self, request: Request, entry: Entry) -> Response:
        work = entry.work
        if replaced := work_response(work):
            return replaced
        if work.error or work.error_type:
            return self._shown(entry, "FAILED")
        try:
            media = await self.media(entry)
        except BadPictureError:
            return self._shown(entry, "FAILED")
        urls = [media_url(request, entry, index, medium) for index, medium in enumerate(media)]
        return self._shown(entry, "COMPLETED", urls)

    def _shown(self, entry: Entry, status: str, urls: Sequence[str] = ()) -> Response:
        task = {"task_id": entry.request_id, "generated": list(urls)}
        if self.desk.settings.magnific_is_flat:
            return JSONResponse(task | {"task_status": status})
        return JSONResponse({"data": task | {"status": status}})


def _factor(given: Mapping[str, Any]) -> int:
    return int(str(given.get("scale_factor", 2)).removesuffix("x"))


def _limits(app: str, given: Mapping[str, Any]) -> list[Problem]:
    """Return the limits that a picture in a request exceeds; one behind a URL is not read."""
    content = None if is_data_url(given["image"]) else inline_content(given["image"])
    if content is None:
        is_url = app == _PRECISION and given["image"].startswith(("http://", "https://"))
        return [] if is_url else [Problem(("image",), "The image is not base64", "invalid")]
    try:
        size = size_of(content)
    except BadPictureError as error:
        return [Problem(("image",), str(error), "invalid")]
    if min(size) < _SMALLEST_SIDE:
        return [Problem(("image",), f"A side is below {_SMALLEST_SIDE} pixels", "invalid")]
    if max(size) > _LONGEST_RATIO * min(size):
        return [Problem(("image",), "The sides are beyond 1:3 and 3:1", "invalid")]
    return _too_large(app, size, _factor(given))


def _too_large(app: str, size: Size, factor: int) -> list[Problem]:
    width, height = size[0] * factor, size[1] * factor
    if app == _CREATIVE and width * height > _MOST_PIXELS:
        return [Problem(("scale_factor",), "The result exceeds 25.3 million pixels", "invalid")]
    if app == _PRECISION and max(width, height) > _LONGEST_SIDE:
        return [Problem(("scale_factor",), f"A side exceeds {_LONGEST_SIDE} pixels", "invalid")]
    return []


def _unauthorized() -> Response:
    return JSONResponse({"message": "Invalid API key"}, 401)
