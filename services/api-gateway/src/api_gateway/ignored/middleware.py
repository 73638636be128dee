"""Response headers about the ignored fields of a request."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gateway.ignored.prefer import is_strict
from api_gateway.ignored.report import HEADER, IgnoredFields

SCOPE_KEY = "sartiq.ignored"


class IgnoredHeaders:
    """ASGI middleware that gives each request its `IgnoredFields`, and reports them in headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ignored = IgnoredFields(is_strict(Headers(scope=scope).getlist("prefer")))

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), ignored)
            await send(message)

        await self._app({**scope, SCOPE_KEY: ignored}, receive, tell)


def _add(headers: MutableHeaders, ignored: IgnoredFields) -> None:
    if ignored.header is not None:
        headers[HEADER] = ignored.header
    if ignored.is_strict and ignored.is_checked:
        headers["Preference-Applied"] = "handling=strict"
