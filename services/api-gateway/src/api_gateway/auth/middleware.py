"""Authentication before the routes: an invalid credential is refused before the body is read.

FastAPI reads and parses a body before it resolves dependencies. Each route has its own dependency
(`Caller`, `Admin`) nevertheless, which checks the scope of the caller found here.
"""

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gateway.auth.admission import AdmissionStores, admit
from api_gateway.auth.rate_limits import Quota
from api_gateway.errors import error_response, method_not_allowed
from api_gateway.methods import method_table

_GUARDED = "/api/"


class AuthMiddleware:
    """ASGI middleware that authenticates API requests and adds the caller's rate limit headers."""

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
            response = await error_response(request, error)
            await response(scope, receive, _with_quota(scope, send))
            return
        await self._app(scope, receive, _with_quota(scope, send))


def _with_quota(scope: Scope, send: Send) -> Send:
    """Return a `send` that adds the caller's rate limit headers, if it has a limit."""
    quota: Quota | None = scope.get("state", {}).get("quota")
    if quota is None:
        return send

    async def send_with_quota(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(quota.headers)
        await send(message)

    return send_with_quota
