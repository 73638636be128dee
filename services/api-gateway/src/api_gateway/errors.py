"""Errors as clients see them: 422 in the reference's shape, all others one problem shape."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.exceptions import HTTPException
from temporalio.service import RPCError

from api_gateway.fault_list import MAX_FAULTS, bounded_faults, clipped
from api_gateway.methods import method_table
from shared.contracts.error_text import describe_fault, without_reprs
from shared.errors import StorageError
from workflows.acknowledgement import RunRefusedError, RunUnknownError

_log = structlog.stdlib.get_logger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_S = 5


class Problem(Exception):  # noqa: N818 — it is answered, not reported
    """An answer that is not 2xx.

    Args:
        status: HTTP status.
        code: stable name of the problem, for programs.
        detail: what is wrong and what would be right, for people.
        headers: to be sent along.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers


class ProblemDetails(BaseModel):
    """A problem as it is answered (RFC 9457)."""

    type: str = Field(examples=["urn:sartiq:problem:not_found"])
    title: str = Field(description="The status in words")
    status: int
    code: str = Field(
        description="Stable name of the problem, for programs", examples=["not_found"]
    )
    detail: str = Field(description="What is wrong and what would be right, for people")


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a request, and where: `("body", "steps", 1, "config", "width")`."""

    loc: tuple[str | int, ...]
    message: str
    kind: str = "value_error"


class InvalidRequestError(Exception):
    """A request whose parts are well formed but do not fit together: 422."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults[:MAX_FAULTS]))
        self.faults = faults


class Repeated(Exception):  # noqa: N818 — it is answered, not reported
    """A create request that was answered before; its first answer is given again."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__("answered before")
        self.answer = answer


class AllSeen(Exception):  # noqa: N818 — it is answered, not reported
    """A stream that has ended and was seen to its end: 204, on which browsers do not come back."""


def not_found(what: str) -> Problem:
    """There is none, or none that the caller may see."""
    return Problem(404, "not_found", f"{what} not found")


def method_not_allowed(methods: Iterable[str]) -> Problem:
    """The path is there, and has other methods."""
    allowed = ", ".join(sorted(methods))
    return Problem(
        405,
        "method_not_allowed",
        f"this path has no such method; it has {allowed}",
        headers={"Allow": allowed},
    )


def _not_json() -> Problem:
    message = "send the body as JSON, with the header Content-Type: application/json"
    return Problem(415, "unsupported_media_type", message)


def _unreadable(cause: BaseException | None) -> str | None:
    """Why a body could not be read as JSON, where that is why: FastAPI does not say."""
    match cause:
        case UnicodeError():
            return "the body is not text in UTF-8"
        case RecursionError():
            return "the body nests too deeply"
        case ValueError():
            return "the body has a number with too many digits"
        case None:
            return None
        case _:
            return "the body cannot be read"


def unavailable(part: str) -> Problem:
    """A part of the platform does not answer; the client may try again."""
    return Problem(
        503,
        "dependency_down",
        f"{part} does not answer; try again",
        headers={"Retry-After": str(_RETRY_AFTER_S)},
    )


def add_error_handlers(app: FastAPI) -> None:
    """Render every foreseen error of this application."""
    for kind, handler in _HANDLERS.items():
        if kind is not Exception:  # `UnexpectedErrors` answers those
            app.add_exception_handler(kind, handler)


def problem_response(problem: Problem) -> JSONResponse:
    """Return the response for a problem."""
    return _render(problem.status, problem.code, problem.detail, problem.headers)


async def answer_to(request: Request, error: Exception) -> Response:
    """The answer to an error that comes up outside the application's routes."""
    kind = next(kind for kind in type(error).__mro__ if kind in _HANDLERS)
    return await _HANDLERS[kind](request, error)


def _render(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    body = ProblemDetails(
        type=f"urn:sartiq:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=clipped(without_reprs(detail)),
    )
    return JSONResponse(
        body.model_dump(), status, headers=dict(headers or {}), media_type=PROBLEM_MEDIA_TYPE
    )


def _unprocessable(faults: Sequence[Mapping[str, Any]]) -> JSONResponse:
    return JSONResponse({"detail": bounded_faults(faults)}, 422)


async def _on_validation(request: Request, error: RequestValidationError) -> JSONResponse:
    if isinstance(error.body, bytes):  # so FastAPI hands on what does not say that it is JSON
        return await _on_problem(request, _not_json())
    faults = error.errors()
    worded = [
        {"loc": fault["loc"], "msg": describe_fault(fault), "type": fault["type"]}
        for fault in faults[:MAX_FAULTS]
    ]
    return _unprocessable([*worded, *faults[MAX_FAULTS:]])


async def _on_invalid(_request: Request, error: InvalidRequestError) -> JSONResponse:
    told, counted = error.faults[:MAX_FAULTS], error.faults[MAX_FAULTS:]
    worded = [{"loc": f.loc, "msg": without_reprs(f.message), "type": f.kind} for f in told]
    return _unprocessable(
        [*worded, *({"loc": f.loc, "msg": f.message, "type": f.kind} for f in counted)]
    )


async def _on_problem(_request: Request, error: Problem) -> JSONResponse:
    return problem_response(error)


async def _on_repeated(request: Request, error: Repeated) -> JSONResponse:
    status = 200 if request.app.state.resources.settings.answers_create_with_200 else 201
    return JSONResponse(error.answer, status, headers={"Idempotency-Replayed": "true"})


async def _on_all_seen(_request: Request, _error: AllSeen) -> Response:
    return Response(status_code=204)


async def _on_http(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 405:
        problem = method_not_allowed(method_table(request.app).allowed(request.scope["path"]))
        return await _on_problem(request, problem)
    code = "too_large" if error.status_code == 413 else HTTPStatus(error.status_code).name.lower()
    told = _unreadable(error.__cause__) if error.status_code == 400 else None
    return _render(error.status_code, code, told or str(error.detail), error.headers)


async def _on_database(request: Request, error: DBAPIError) -> JSONResponse:
    """A value that Postgres refuses (class 22) is the caller's; all else is an outage."""
    state = str(getattr(error.orig, "sqlstate", "") or "")
    if not state.startswith("22"):
        return await _on_outage(request, error)
    message = f"a value cannot be stored: {str(error.orig).splitlines()[0]}"
    return _unprocessable([{"loc": ["body"], "msg": message, "type": "value_error"}])


async def _on_outage(request: Request, error: Exception) -> JSONResponse:
    _log.error("dependency_down", path=request.url.path, exc_info=error)
    return _render(
        503,
        "dependency_down",
        "a part of the platform does not answer; try again",
        {"Retry-After": str(_RETRY_AFTER_S)},
    )


async def _on_refused(request: Request, error: RunRefusedError) -> JSONResponse:
    _log.error("run_refused", path=request.url.path, reason=str(error))
    return _render(
        422,
        "run_refused",
        "this request cannot be run as it is: its run was refused; send another, a smaller one",
    )


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    _log.error("unexpected_error", path=request.url.path, exc_info=error)
    return _render(500, "internal_error", "an unexpected error; it has been logged")


_HANDLERS: dict[type[Any], Callable[[Request, Any], Awaitable[Response]]] = {
    RequestValidationError: _on_validation,
    InvalidRequestError: _on_invalid,
    Problem: _on_problem,
    Repeated: _on_repeated,
    AllSeen: _on_all_seen,
    HTTPException: _on_http,
    DBAPIError: _on_database,
    StorageError: _on_outage,
    SQLAlchemyError: _on_outage,
    OSError: _on_outage,
    RPCError: _on_outage,
    RunUnknownError: _on_outage,
    RunRefusedError: _on_refused,
    Exception: _on_bug,
}
