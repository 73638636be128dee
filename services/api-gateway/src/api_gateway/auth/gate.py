"""Stands before the routes: a stranger is sent away before a byte of the body is read.

FastAPI reads and parses a body before it asks any dependency. What guards a route is nevertheless
its own dependency (`Caller`, `Admin`), which asks the same question and gets the answer from here.
"""

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gateway.auth.admission import AdmissionStores, admit
from api_gateway.auth.rate_limits import Quota
from api_gateway.errors import answer_to, method_not_allowed
from api_gateway.methods import method_table

_GUARDED = "/api/"


class Gate:
    """ASGI middleware: authenticates what goes to the API, and shows each caller its quota."""

    def __init__(self, app: ASGIApp, resources: AdmissionStores) -> None:
        self._app, self._resources = app, resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_GUARDED):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            await admit(request, self._resources)
            if methods := method_table(request.app).refused(scope["method"], scope["path"]):
                raise method_not_allowed(methods)
        except Exception as error:  # noqa: BLE001 — outside the application's own handlers
            answer = await answer_to(request, error)
            await answer(scope, receive, _showing_quota(scope, send))
            return
        await self._app(scope, receive, _showing_quota(scope, send))


def _showing_quota(scope: Scope, send: Send) -> Send:
    """What sends an answer; with the caller's quota, where it has one."""
    quota: Quota | None = scope.get("state", {}).get("quota")
    if quota is None:
        return send

    async def send_with_quota(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(quota.headers)
        await send(message)

    return send_with_quota
