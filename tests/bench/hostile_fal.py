"""A sandbox fal that returns unstorable responses for work with a hostile marker."""

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response

from provider_worker.sandbox.fal import Fal
from provider_worker.sandbox.ledger import Entry
from provider_worker.sandbox.wires import Desk
from tests.fixtures.sandbox import OpenSandbox, open_sandbox

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


class HostileFal(Fal):
    """A fal that returns hostile responses for hostile work."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._results = itertools.cycle(RESULTS)
        self._errors = itertools.cycle(ERRORS)
        self._turn = itertools.count()

    async def status(self, request: Request) -> Response:
        answer = await super().status(request)
        shown = json.loads(bytes(answer.body))
        entry = self.entry(request.path_params["id"])
        # Every third fails, with an error text that cannot be stored.
        if not _is_hostile(entry) or shown["status"] != "COMPLETED" or next(self._turn) % 3:
            return answer
        shown |= {"error": next(self._errors), "error_type": "app_error"}
        return Response(json.dumps(shown), media_type="application/json")

    async def result(self, request: Request) -> Response:
        answer = await super().result(request)
        if answer.status_code == 200 and _is_hostile(self.entry(request.path_params["id"])):
            return Response(next(self._results), media_type="application/json")
        return answer


def _is_hostile(entry: Entry | None) -> bool:
    return entry is not None and entry.marker.startswith(HOSTILE)


@asynccontextmanager
async def open_hostile_fal() -> AsyncIterator[OpenSandbox]:
    """Serve on a free port of the loopback interface."""
    async with open_sandbox(wires=(HostileFal,)) as opened:
        yield opened
