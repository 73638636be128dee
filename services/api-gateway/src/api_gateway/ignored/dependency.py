"""What every public route depends on: it looks for fields and parameters that nothing reads."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar, get_args

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api_gateway.ignored.fields import unknown_fields
from api_gateway.ignored.middleware import SCOPE_KEY
from api_gateway.ignored.names import nearest
from api_gateway.ignored.parts import IgnoredPart, IgnoredParts
from api_gateway.ignored.query import query_names, unknown_parameters
from api_gateway.ignored.schemas import Schema

_JSON = re.compile(r"application/([^;]+\+)?json\s*(;|$)", re.IGNORECASE)


def ignored_parts(request: Request) -> IgnoredParts:
    """Return what of a request is known to be ignored so far."""
    return request.scope[SCOPE_KEY]


async def judge(request: Request) -> IgnoredParts:
    """Note what a request's query and body have that its route does not know.

    Raises:
        InvalidRequestError: the request prefers to be judged strictly; names each of them.
    """
    ignored = ignored_parts(request)
    ignored.is_judged = True
    route: APIRoute = request.scope["route"]
    known = _known(route)
    found = list(unknown_parameters(known.query, request.query_params))
    if known.body and _JSON.match(request.headers.get("content-type", "")):
        # It has been read and parsed, or the request would not have come so far.
        found += unknown_fields(known.body, await request.json() if await request.body() else None)
    ignored.note(found)
    return ignored


Ignored = Annotated[IgnoredParts, Depends(judge)]
JUDGED = Depends(judge)


@dataclass(frozen=True)
class _Known:
    """What a route reads."""

    query: frozenset[str]
    body: tuple[Schema, ...]

    @classmethod
    def of(cls, route: APIRoute) -> "_Known":
        body = route.body_field and route.body_field.field_info.annotation
        members = get_args(body) or (body,)
        schemas = tuple(m for m in members if isinstance(m, type) and issubclass(m, BaseModel))
        return cls(frozenset(query_names(route.dependant)), schemas)


_KNOWN: dict[Callable[..., Any], _Known] = {}
"""By the function behind the route: found once, since routes themselves are no keys."""


def _known(route: APIRoute) -> _Known:
    known = _KNOWN.get(route.endpoint)
    if known is None:
        known = _KNOWN[route.endpoint] = _Known.of(route)
    return known


AnswerT = TypeVar("AnswerT", bound="Warned")


class Warned(Protocol):
    """An answer that is a record, with warnings."""

    warnings: list[str] | None


def with_warnings(answer: AnswerT, ignored: IgnoredParts) -> AnswerT:
    """Return a record with what of this request was ignored; the record itself keeps no such."""
    if ignored.warnings:
        answer.warnings = [*(answer.warnings or []), *ignored.warnings]
    return answer


def note_unknown_parts(request: Request, known: Collection[str], sent: Iterable[str]) -> None:
    """Note the parts of a form that nothing reads, where a route has read the form itself.

    Raises:
        InvalidRequestError: the request prefers to be judged strictly; names each of them.
    """
    ignored_parts(request).note(
        IgnoredPart(("body", name), nearest(name, known))
        for name in dict.fromkeys(sent)
        if name not in known
    )
