"""Unforeseen errors, answered as every other error is, on a connection that stays."""

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gateway.errors import answer_to


class UnexpectedErrors:
    """ASGI middleware, the outermost one.

    Starlette's own raises the error again behind the answer, so that the server breaks off the
    connection without a word: the client's next request on it is lost.
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
                raise  # Half a response is cut off, so that nobody takes it for the whole.
            answer = await answer_to(Request(scope, receive), error)
            await answer(scope, receive, send)
