"""A path means the same with and without a slash at its end, to every part of the application.

Starlette would answer 307, without a body, and clients that follow it drop their credential or send
the request twice: here it is served at once, and both spellings share an `Idempotency-Key`.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from api_gateway.methods import method_table


class Slashes:
    """ASGI middleware: hands requests on with their path as the application spells it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": method_table(scope["app"]).spelt(scope["path"])}
        await self._app(scope, receive, send)
