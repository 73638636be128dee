"""Size limits of request bodies by route: only a few routes accept images.

JSON is also limited by its number of values: their cost in time and memory is far above that of
the bytes of an image. Both are counted while the body arrives, before it is parsed.
"""

import re
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api_gateway.errors import Problem, problem_response
from api_gateway.settings import GatewaySettings

MAX_JSON_VALUES = 100_000
_BETWEEN_VALUES = (b",", b"[", b"{")
_INTERNAL_BYTES = 1024 * 1024

_PICTURES_INSIDE = frozenset(
    f"/api/v1/{collection}" for collection in ("tasks", "workflows", "training", "evaluation")
)
"""Collections whose POST may contain images in base64."""
_RESUME = re.compile(r"/api/v1/workflows/[^/]+/resume")
"""Path of a resume, which may contain other images for its steps."""
_SAVES = "/api/v1/storage/images/"
_LORA_UPLOADS = frozenset({"/api/v1/lora/upload", "/api/v1/admin/lora/upload"})

LimitOf = Callable[[str, str], int | None]
"""Largest body in bytes for a method and path; none: the route itself limits it."""


def public_limits(settings: GatewaySettings) -> LimitOf:
    """Return the limits of the public API."""

    def limit(method: str, path: str) -> int | None:
        path = path.rstrip("/")
        if method != "POST":
            return settings.max_json_bytes
        if path in _LORA_UPLOADS:
            return None
        if path in _PICTURES_INSIDE or path.startswith(_SAVES) or _RESUME.fullmatch(path):
            return settings.max_body_bytes
        return settings.max_json_bytes

    return limit


def internal_limits(_method: str, _path: str) -> int:
    """Return the limit of the listener for workers."""
    return _INTERNAL_BYTES


class BodyLimit:
    """ASGI middleware that responds 413 to an oversized body without reading all of it."""

    def __init__(self, app: ASGIApp, limit_of: LimitOf) -> None:
        self._app, self._limit_of = app, limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self._limit_of(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if limit is None:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:19]) > limit:
            problem = Problem(413, "too_large", _too_many_bytes(limit))
            await problem_response(problem)(scope, receive, send)
            return
        counted = _Counted(receive, limit, is_form=_is_form(headers))
        await self._app(scope, counted.receive, send)


class _Counted:
    """A request body that is counted while it is received."""

    def __init__(self, receive: Receive, limit: int, *, is_form: bool) -> None:
        self._receive, self._limit, self._is_form = receive, limit, is_form
        self._num_bytes = self._num_values = 0

    async def receive(self) -> Message:
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if body:
            self._count(body)
        return message

    def _count(self, body: bytes) -> None:
        # An HTTPException, not a Problem: FastAPI turns any other error into "unreadable body".
        self._num_bytes += len(body)
        if self._num_bytes > self._limit:
            raise HTTPException(413, _too_many_bytes(self._limit))
        if self._is_form:
            return
        self._num_values += sum(map(body.count, _BETWEEN_VALUES))
        if self._num_values > MAX_JSON_VALUES:
            raise HTTPException(413, f"the body has more than {MAX_JSON_VALUES} values")


def _is_form(headers: Headers) -> bool:
    return headers.get("content-type", "").lower().startswith("multipart/")


def _too_many_bytes(limit: int) -> str:
    return f"the body is larger than {limit} bytes, the limit of this path"
