"""A fake of fal's queue: it logs accepted work in a ledger, and fails on demand.

In a test: `async with open_fal() as fal`, then `fal.url`, `fal.key`, `fal.play(Fault(…))` and
`fal.ledger`. As a process: `python -m tests.loopback.fal --port 8700 --ledger FILE [--key KEY]`;
with a file, accepted and cancelled work survives a restart. The default key is `KEY`.

Routes as at fal: `POST /{app}`, `GET …/requests/{id}/status`, `GET …/requests/{id}`, `PUT
…/requests/{id}/cancel`, under owner and app only, authorized by `Authorization: Key …`. Any app
generates `num_images` PNGs of `image_size`, in one colour per seed, served at `/_pictures/…`
without a key.

Control routes, without a key:

- `GET /_ledger`: `posts` (received submissions, by marker), `submits` (accepted ones, by marker),
  `entries` (accepted work: request_id, app, marker, input, is_cancelled), `cancels` (request ids,
  one per cancellation), `polls` (by request id, since the start).
- `POST /_faults` with a list of `Fault`s adds them; `DELETE /_faults` removes the remaining ones.

The *marker* of a submission is its input's `marker`, else its `prompt`. A fault applies to
requests whose marker contains the fault's marker; the first that matches applies, `times` times.
`on` says where:

- `submit`, `status`, `result`, `cancel`, `picture`: waits `delay_s`, then, for a submission,
  accepts the work if `is_taken`; then drops the connection (`is_dropped`), or cuts the real
  response short (`is_cut`), or returns `status` with `body` and `headers`; with none of them, it
  continues normally.
- `work`: set when the work is accepted: it completes at poll number `polls` (0: never), with
  `error` and `error_type` in its last status, and `status` and `body` of its result.

Instead of a `body`, `raw` is sent unchanged: text that no JSON writer would produce.
"""

import argparse
import asyncio
import io
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.loopback.fal_ledger import Entry, Fault, Ledger
from tests.loopback.serving import Cut, Dropped, Server, config

KEY = "fal-loopback-key:0123456789abcdef"


class Queue:
    """The ASGI application."""

    def __init__(self, ledger: Ledger, key: str) -> None:
        self.ledger = ledger
        self._key = key
        self._faults: list[list[Any]] = []
        request = "/{owner}/{app}/requests/{id}"
        self.app = Starlette(
            routes=[
                Route("/_ledger", self._show_ledger),
                Route("/_faults", self._take_faults, methods=["POST", "DELETE"]),
                Route("/_pictures/{id}/{index:int}.png", self._picture),
                Route(request + "/status", self._status),
                Route(request + "/cancel", self._cancel, methods=["PUT"]),
                Route(request, self._result),
                Route("/{app:path}", self._submit, methods=["POST"]),
            ]
        )

    def play(self, *faults: Fault) -> None:
        self._faults += [[fault, fault.times] for fault in faults]

    def _strike(self, on: str, marker: str) -> Fault | None:
        for listed in self._faults:
            fault, left = listed
            if fault.on == on and fault.marker in marker:
                listed[1] = left - 1
                if left == 1:
                    self._faults.remove(listed)
                return fault
        return None

    async def _show_ledger(self, _request: Request) -> Response:
        return JSONResponse(self.ledger.shown())

    async def _take_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._faults.clear()
        else:
            self.play(*TypeAdapter(list[Fault]).validate_json(await request.body()))
        return Response(status_code=204)

    async def _submit(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        body = await request.json()
        marker = str(body.get("marker", body.get("prompt", "")))
        self.ledger.note(kind="post", marker=marker)
        fault = self._strike("submit", marker)
        if fault is None:
            return self._taken(request, body, marker)
        await asyncio.sleep(fault.delay_s)
        is_played = fault.is_dropped or fault.status is not None
        answer = self._taken(request, body, marker) if fault.is_taken or not is_played else None
        return _played(request, fault, answer)

    def _taken(self, request: Request, body: dict[str, Any], marker: str) -> Response:
        entry = Entry(
            request_id=str(uuid.uuid4()),
            app=request.path_params["app"],
            marker=marker,
            input=body,
            work=self._strike("work", marker) or Fault(on="work"),
        )
        stored = vars(entry) | {"work": entry.work.model_dump()}
        self.ledger.note(kind="taken", entry=stored)
        url = f"{request.base_url}{entry.path}/requests/{entry.request_id}"
        return JSONResponse(
            {
                "status": "IN_QUEUE",
                "request_id": entry.request_id,
                "response_url": url,
                "status_url": f"{url}/status",
                "cancel_url": f"{url}/cancel",
                "queue_position": 0,
                "logs": None,
                "metrics": {},
            },
            headers={"x-fal-request-id": entry.request_id},
        )

    async def _status(self, request: Request) -> Response:
        entry = self._entry(request)
        if isinstance(entry, Response):
            return entry
        entry.polls += 1
        work = entry.work
        shown: dict[str, Any] = {"request_id": entry.request_id}
        if entry.is_cancelled:
            shown |= {"status": "COMPLETED", "error": "Cancelled", "error_type": "client_cancelled"}
        elif entry.is_done:
            shown |= {"status": "COMPLETED", "metrics": {"inference_time": 0.1}}
            shown |= {"error": work.error} if work.error else {}
            shown |= {"error_type": work.error_type} if work.error_type else {}
        elif entry.polls == 1:
            shown |= {"status": "IN_QUEUE", "queue_position": 0}
        else:
            shown |= {"status": "IN_PROGRESS"}
        if shown["status"] != "IN_QUEUE" and request.query_params.get("logs"):
            shown["logs"] = [{"message": line, "level": "INFO"} for line in work.logs]
        answer = JSONResponse(shown, 200 if entry.is_done else 202)
        return await self._struck("status", request, entry, answer)

    async def _result(self, request: Request) -> Response:
        entry = self._entry(request)
        if isinstance(entry, Response):
            return entry
        work = entry.work
        if not entry.is_done:
            answer = JSONResponse({"detail": "Request is still in progress"}, 400)
        elif entry.is_cancelled:
            answer = JSONResponse({"detail": "Request was cancelled"}, 400)
        elif work.body is not None or work.raw is not None or work.status is not None:
            answer = _answer(work)
        else:
            answer = JSONResponse(_made(request, entry))
        return await self._struck("result", request, entry, answer)

    async def _cancel(self, request: Request) -> Response:
        entry = self._entry(request)
        if isinstance(entry, Response):
            return entry
        fault = self._strike("cancel", entry.marker)
        is_taken = not entry.is_done and fault is None
        # Queued work is dropped; running work gets a signal, and may ignore it.
        is_waiting = is_taken and entry.polls < 2
        word = "OK" if is_waiting else "CANCELLATION_REQUESTED" if is_taken else "ALREADY_COMPLETED"
        answer = {"status": word}
        self.ledger.note(kind="cancel", request_id=entry.request_id, is_taken=is_taken)
        if fault is None:
            return JSONResponse(answer, 200 if is_waiting else 202 if is_taken else 400)
        await asyncio.sleep(fault.delay_s)
        return _played(request, fault, JSONResponse(answer, 400))

    async def _picture(self, request: Request) -> Response:
        entry = self.ledger.entries.get(request.path_params["id"])
        if entry is None:
            return Response(status_code=404)
        colour = uuid.uuid5(uuid.NAMESPACE_URL, str(entry.input.get("seed", 0))).bytes[:3]
        buffer = io.BytesIO()
        Image.new("RGB", entry.size, tuple(colour)).save(buffer, "PNG")
        answer = Response(buffer.getvalue(), media_type="image/png")
        return await self._struck("picture", request, entry, answer)

    async def _struck(self, on: str, request: Request, entry: Entry, answer: Response) -> Response:
        fault = self._strike(on, entry.marker)
        if fault is None:
            return answer
        await asyncio.sleep(fault.delay_s)
        return _played(request, fault, answer)

    def _entry(self, request: Request) -> Entry | Response:
        if refused := self._refused(request):
            return refused
        entry = self.ledger.entries.get(request.path_params["id"])
        if entry is None or not request.url.path.startswith(f"/{entry.path}/requests/"):
            return JSONResponse({"status": "NOT_FOUND", "detail": "Request not found"}, 404)
        return entry

    def _refused(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Key {self._key}":
            return None
        return JSONResponse({"detail": "Invalid API key credentials"}, 401)


def _made(request: Request, entry: Entry) -> dict[str, Any]:
    width, height = entry.size
    count = entry.input.get("num_images", 1)
    return {
        "images": [
            {
                "url": f"{request.base_url}_pictures/{entry.request_id}/{index}.png",
                "width": width,
                "height": height,
                "content_type": "image/png",
            }
            for index in range(count)
        ],
        "seed": entry.input.get("seed", 0),
        "has_nsfw_concepts": [False] * count,
        "prompt": entry.input.get("prompt", ""),
        "timings": {"inference": 0.1},
    }


def _answer(fault: Fault) -> Response:
    if fault.raw is None:
        return JSONResponse(fault.body, fault.status or 200, headers=fault.headers)
    content = fault.raw.encode(errors="surrogatepass")
    return Response(content, fault.status or 200, fault.headers, "application/json")


def _played(request: Request, fault: Fault, answer: Response | None) -> Response:
    if fault.is_dropped:
        return Dropped(request)
    if fault.is_cut and answer is not None:
        return Cut(request, answer)
    if fault.status is not None:
        return _answer(fault)
    assert answer is not None
    return answer


@dataclass(frozen=True)
class LoopbackFal:
    """A running fake in this process."""

    url: str
    queue: Queue
    key: str = KEY

    @property
    def ledger(self) -> Ledger:
        return self.queue.ledger

    def play(self, *faults: Fault) -> None:
        self.queue.play(*faults)


@asynccontextmanager
async def open_fal(ledger: Path | None = None) -> AsyncIterator[LoopbackFal]:
    """Serve on a free loopback port."""
    queue = Queue(Ledger(ledger), KEY)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(config(queue.app))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield LoopbackFal(f"http://127.0.0.1:{listener.getsockname()[1]}", queue)
        server.should_exit = True
        await serving


def main() -> None:
    parser = argparse.ArgumentParser(description="A loopback server that speaks fal's queue.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", type=Path, default=None)
    parser.add_argument("--key", default=KEY)
    chosen = parser.parse_args()
    queue = Queue(Ledger(chosen.ledger), chosen.key)
    uvicorn.Server(config(queue.app, host="127.0.0.1", port=chosen.port)).run()


if __name__ == "__main__":
    main()
