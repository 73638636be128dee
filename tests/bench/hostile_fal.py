"""A loopback fal that returns unstorable responses for work with a hostile marker."""

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response

from tests.loopback.fal import KEY, LoopbackFal, Queue
from tests.loopback.fal_ledger import Entry, Ledger
from tests.loopback.serving import Server, config

HOSTILE = "hostile"
"""Prefix of the markers of work that gets the hostile responses in turn."""

_DEEP = 20_000
_WIDE = 60_000

RESULTS: tuple[bytes, ...] = (
    b'{"text": "a\\u0000b", "b\\u0000": ["\\u0000"]}',
    b'{"text": "\\ud800 alone", "\\udfff": 1}',
    b'{"number": 1e400, "other": -1e999, "none": NaN, "whole": ' + b"9" * 5_000 + b"}",
    b'{"deep": ' + b"[" * _DEEP + b"]" * _DEEP + b"}",
    b'{"objects": ' + b'{"a":' * _DEEP + b"1" + b"}" * _DEEP + b"}",
    b'{"wide": [' + b",".join([b'{"url": 1}'] * _WIDE) + b"]}",
    b'{"images": [{"url": {}}, [], null, {"url": ["\\u0000"]}]}',
    b'"' + b"x" * 900_000 + b'"',
)
ERRORS: tuple[str, ...] = ("it broke: \0 at \0", "half of a pair: \ud800", "\0" * 10_000)


class HostileQueue(Queue):
    """A fal queue that returns hostile responses for hostile work."""

    def __init__(self) -> None:
        super().__init__(Ledger(None), KEY)
        self._results = itertools.cycle(RESULTS)
        self._errors = itertools.cycle(ERRORS)
        self._turn = itertools.count()

    async def _status(self, request: Request) -> Response:
        answer = await super()._status(request)
        shown = json.loads(bytes(answer.body))
        entry = self.ledger.entries.get(request.path_params["id"])
        # Every third fails, with an error text that cannot be stored.
        if not _is_hostile(entry) or shown["status"] != "COMPLETED" or next(self._turn) % 3:
            return answer
        shown |= {"error": next(self._errors), "error_type": "app_error"}
        return Response(json.dumps(shown), media_type="application/json")

    async def _result(self, request: Request) -> Response:
        answer = await super()._result(request)
        if answer.status_code == 200 and _is_hostile(
            self.ledger.entries.get(request.path_params["id"])
        ):
            return Response(next(self._results), media_type="application/json")
        return answer


def _is_hostile(entry: Entry | None) -> bool:
    return entry is not None and entry.marker.startswith(HOSTILE)


@asynccontextmanager
async def open_hostile_fal() -> AsyncIterator[LoopbackFal]:
    """Serve on a free port of the loopback interface."""
    queue = HostileQueue()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        server = Server(config(queue.app))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield LoopbackFal(f"http://127.0.0.1:{listener.getsockname()[1]}", queue)
        server.should_exit = True
        await serving
