"""fal's queue: submissions, status, results, cancellations."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from provider_worker.sandbox.fal_messages import (
    SCHEMAS,
    detail_of,
    known_output,
    output_of,
    state_of,
)
from provider_worker.sandbox.fal_orders import charge_of, fal_order, sources_of
from provider_worker.sandbox.faults import Canned, rate_limits
from provider_worker.sandbox.ledger import Entry
from provider_worker.sandbox.orders import Order, marker_of
from provider_worker.sandbox.pictures import BadPictureError
from provider_worker.sandbox.playing import BadBodyError, played, read_object, work_response
from provider_worker.sandbox.schemas.tables import Problem
from provider_worker.sandbox.wires import Job, Wire

_TYPE = "X-Fal-Error-Type"
_OFF = ("", "0", "false")


class Fal(Wire):
    """fal's queue. Apps that the table lacks take any input."""

    name = "fal"

    def routes(self) -> list[Route]:
        """Return the routes; the last takes any POST."""
        request = "/{owner}/{app}/requests/{id}"
        return [
            Route(request + "/status", self.status),
            Route(request + "/cancel", self.cancel, methods=["PUT"]),
            Route(request, self.result),
            Route("/{app:path}", self.submit, methods=["POST"]),
        ]

    def key_of(self, headers: Mapping[str, str]) -> str:
        """Return the key of `Authorization: Key …`."""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return key if scheme == "Key" else ""

    def canned(self) -> Mapping[str, Canned]:
        """Return the ready-made faults."""
        locked = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai."
        flagged = Problem(("prompt",), "The content was flagged", "content_policy_violation")
        return {
            **rate_limits({"detail": "Too many requests"}),
            "concurrency": Canned(429, {"detail": "Reached concurrent requests limit"}),
            "out_of_credit": Canned(403, {"detail": locked}),
            "content_policy": Canned(422, detail_of([flagged]), {_TYPE: flagged.type}),
        }

    def order(self, entry: Entry) -> Order:
        """Return the media that an app's input asks for."""
        return fal_order(entry.app, entry.input, known_output(entry.app))

    async def submit(self, request: Request) -> Response:
        """Accept work."""
        if not self.has_key(request):
            return _unauthorized()
        try:
            given = await read_object(request)
        except BadBodyError:
            return self.refused([Problem((), "JSON decode error", "json_invalid")])
        app = request.path_params["app"]
        job = Job(
            app=app,
            marker=marker_of(given, *sources_of(given)),
            input=given,
            charge=charge_of(given, known_output(app)),
            problems=SCHEMAS[app].problems(given) if app in SCHEMAS else (),
        )
        return await self.submitted(request, job)

    async def accepted(self, request: Request, entry: Entry) -> Response:
        """Return the id and the URLs."""
        url = f"{request.base_url}{_path(entry)}/requests/{entry.request_id}"
        body: dict[str, Any] = {
            "status": "IN_QUEUE",
            "request_id": entry.request_id,
            "response_url": url,
            "status_url": f"{url}/status",
            "cancel_url": f"{url}/cancel",
            "queue_position": 0,
            "logs": None,
            "metrics": {},
        }
        return JSONResponse(body, headers=_named(entry))

    def refused(self, problems: Sequence[Problem]) -> Response:
        """Return 422 with a detail for each fault."""
        return JSONResponse(detail_of(problems), 422, headers={_TYPE: problems[0].type})

    async def status(self, request: Request) -> Response:
        """Return the status, with the log lines where they are asked for."""
        entry = self._found(request)
        if isinstance(entry, Response):
            return entry
        entry.polls += 1
        shown = {"request_id": entry.request_id, "logs": None} | state_of(entry)
        if shown["status"] != "IN_QUEUE" and request.query_params.get("logs", "") not in _OFF:
            shown["logs"] = [{"message": line, "level": "INFO"} for line in entry.work.logs]
        response = JSONResponse(shown, 200 if entry.is_done else 202, headers=_named(entry))
        return await self.struck("status", request, entry, response)

    async def result(self, request: Request) -> Response:
        """Return the result of ended work."""
        entry = self._found(request)
        if isinstance(entry, Response):
            return entry
        if not entry.is_done:
            response = JSONResponse({"detail": "Request is still in progress"}, 400)
        elif entry.is_cancelled:
            response = JSONResponse({"detail": "Request was cancelled"}, 400)
        else:
            response = work_response(entry.work) or await self._finished(request, entry)
            if entry.work.error_type:
                response.headers[_TYPE] = entry.work.error_type
        return await self.struck("result", request, entry, response)

    async def _finished(self, request: Request, entry: Entry) -> Response:
        try:
            media = await self.media(entry)
        except BadPictureError as error:
            fields = [name for name in entry.input if name.endswith(("image_url", "image_urls"))]
            return self.refused([Problem((*fields[:1],), str(error), "image_load_error")])
        body = output_of(request, entry, media)
        units = f"{entry.charge.amount:g}"
        return JSONResponse(body, headers={**_named(entry), "X-Fal-Billable-Units": units})

    async def cancel(self, request: Request) -> Response:
        """Cancel: queued work is dropped; running work gets a signal, and may ignore it."""
        entry = self._found(request)
        if isinstance(entry, Response):
            return entry
        fault = self.strike("cancel", entry.marker)
        is_taken = not entry.is_done and fault is None
        is_queued = is_taken and not entry.is_started
        self.desk.ledger.cancel(entry.request_id, is_taken=is_taken)
        if is_queued:
            return JSONResponse({"status": "OK"})
        if is_taken:
            return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)
        response = JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
        if fault is None:
            return response
        await asyncio.sleep(fault.delay_s)
        return played(request, fault, response)

    def _found(self, request: Request) -> Entry | Response:
        if not self.has_key(request):
            return _unauthorized()
        entry = self.entry(request.path_params["id"])
        if entry is None or not request.url.path.startswith(f"/{_path(entry)}/requests/"):
            return JSONResponse({"status": "NOT_FOUND", "detail": "Request not found"}, 404)
        return entry


def _path(entry: Entry) -> str:
    """Return owner and app, under which requests are found."""
    return "/".join(entry.app.split("/")[:2])


def _named(entry: Entry) -> dict[str, str]:
    return {"x-fal-request-id": entry.request_id}


def _unauthorized() -> Response:
    return JSONResponse({"detail": "Invalid API key credentials"}, 401)
