"""Responses under a fault, and bodies of requests."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from provider_worker.sandbox.connections import Cut, Dropped, paced
from provider_worker.sandbox.faults import Fault


class BadBodyError(Exception):
    """A body is no JSON object."""


async def read_object(request: Request) -> dict[str, Any]:
    """Return a request's body.

    Raises:
        BadBodyError: it is no JSON object.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise BadBodyError from error
    if not isinstance(body, dict):
        raise BadBodyError
    return body  # pyright: ignore[reportUnknownVariableType] -- JSON


def fault_response(fault: Fault) -> Response:
    """Return the response that a fault describes."""
    if fault.raw is None:
        return JSONResponse(fault.body, fault.status or 200, headers=fault.headers)
    content = fault.raw.encode(errors="surrogatepass")
    return Response(content, fault.status or 200, fault.headers, "application/json")


def work_response(work: Fault) -> Response | None:
    """Return the result that a fault of the work puts in the place of the real one."""
    is_replaced = work.body is not None or work.raw is not None or work.status is not None
    return fault_response(work) if is_replaced else None


def played(request: Request, fault: Fault, response: Response | None) -> Response:
    """Return the response as a fault disturbs it; `response`: none where the work is not taken."""
    if fault.is_dropped:
        return Dropped(request)
    if fault.is_cut and response is not None:
        return Cut(request, response)
    if fault.status is not None:
        response = fault_response(fault)
    assert response is not None
    if fault.pad_bytes or fault.bytes_per_s:
        return paced(response, fault.pad_bytes, fault.bytes_per_s)
    return response
