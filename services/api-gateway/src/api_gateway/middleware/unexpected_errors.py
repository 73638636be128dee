"""Problem responses to unexpected errors, on a connection that stays open."""

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gateway.errors import error_response


class UnexpectedErrors:
    """The outermost ASGI middleware.

    Starlette's own raises the error again after its response, so that the server closes the
    connection, and the client's next request on it is lost.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def send_on(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception as error:
            if has_begun or scope["type"] != "http":
                raise  # The connection is closed: a partial response must not look complete.
            response = await error_response(Request(scope, receive), error)
            await response(scope, receive, send)
