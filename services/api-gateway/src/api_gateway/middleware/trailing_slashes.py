"""Paths with and without a trailing slash are the same, to every part of the application.

Starlette would respond 307; clients that follow it drop their credential or send the request
twice. Here it is served at once, and both spellings share an `Idempotency-Key`.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from api_gateway.methods import method_table


class TrailingSlashes:
    """ASGI middleware that rewrites a path to the spelling that the application serves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": method_table(scope["app"]).served_path(scope["path"])}
        await self._app(scope, receive, send)
