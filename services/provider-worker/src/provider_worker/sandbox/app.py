"""The application: all providers on one port, their media, and the control routes."""

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from provider_worker.sandbox.anthropic import Anthropic
from provider_worker.sandbox.fal import Fal
from provider_worker.sandbox.fashn import Fashn
from provider_worker.sandbox.faults import Fault
from provider_worker.sandbox.gemini import Gemini
from provider_worker.sandbox.ledger import Ledger
from provider_worker.sandbox.magnific import Magnific
from provider_worker.sandbox.ollama import Ollama
from provider_worker.sandbox.openai import OpenAi
from provider_worker.sandbox.pictures import BadPictureError
from provider_worker.sandbox.ranges import ranged
from provider_worker.sandbox.settings import SandboxSettings
from provider_worker.sandbox.wires import Desk, Wire

WIRES: tuple[type[Wire], ...] = (Fashn, Magnific, Gemini, OpenAi, Anthropic, Ollama, Fal)
"""fal is the last: it takes any POST."""
_FAULTS = TypeAdapter(list[Fault])


class Sandbox:
    """Providers on loopback.

    Args:
        settings: keys, ledger, prices.
        wires: the providers, in the order in which their routes are tried.
    """

    def __init__(self, settings: SandboxSettings, wires: Sequence[type[Wire]] = WIRES) -> None:
        self.desk = Desk(settings, Ledger(settings.ledger))
        opened = [wire(self.desk) for wire in wires]
        self._wires = {wire.name: wire for wire in opened}
        self.app = Starlette(
            routes=[
                Route("/_ledger", self._show_ledger),
                Route("/_ledger", self._clear_ledger, methods=["DELETE"]),
                Route("/_strays", self._show_strays),
                Route("/_faults", self._take_faults, methods=["POST", "DELETE"]),
                Route("/_media/{id}/{index:int}.{suffix}", self._medium),
                *(route for wire in opened for route in wire.routes()),
            ],
            middleware=[Middleware(_Counted, ledger=self.desk.ledger)],
        )

    @property
    def ledger(self) -> Ledger:
        """Received and accepted work."""
        return self.desk.ledger

    def play(self, *faults: Fault) -> None:
        """Plan faults."""
        self.desk.faults.play(*faults)

    async def close(self) -> None:
        """Close connections."""
        await self.desk.studio.close()

    async def _show_ledger(self, _request: Request) -> Response:
        return JSONResponse(self.ledger.shown())

    async def _clear_ledger(self, _request: Request) -> Response:
        self.ledger.clear()
        return Response(status_code=204)

    async def _show_strays(self, _request: Request) -> Response:
        return JSONResponse(self.ledger.strays)

    async def _take_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.desk.faults.clear()
            return Response(status_code=204)
        try:
            self.play(*_FAULTS.validate_json(await request.body()))
        except ValidationError as error:
            return Response(error.json(include_url=False), 422, media_type="application/json")
        return Response(status_code=204)

    async def _medium(self, request: Request) -> Response:
        entry = self.ledger.entries.get(request.path_params["id"])
        if entry is None:
            return Response(status_code=404)
        wire = self._wires[entry.wire]
        index: int = request.path_params["index"]
        try:
            media = await wire.media(entry)
        except BadPictureError:
            return Response(status_code=404)
        if index >= len(media):
            return Response(status_code=404)
        medium = media[index]
        response = ranged(request, medium.content, medium.content_type)
        return await wire.struck("media", request, entry, response)


class _Counted:
    """Middleware that counts requests by method and path in the ledger."""

    def __init__(self, app: ASGIApp, ledger: Ledger) -> None:
        self._app, self._ledger = app, ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._ledger.count(scope["method"], scope["path"])
        await self._app(scope, receive, send)
