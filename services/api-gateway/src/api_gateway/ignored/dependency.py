"""The dependency of every public route that finds fields and parameters which nothing reads."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar, get_args

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api_gateway.ignored.middleware import SCOPE_KEY
from api_gateway.ignored.names import nearest
from api_gateway.ignored.query import query_names, unknown_parameters
from api_gateway.ignored.report import IgnoredField, IgnoredFields
from api_gateway.ignored.schemas import Schema
from api_gateway.ignored.search import SearchRules, unknown_fields

_JSON = re.compile(r"application/([^;]+\+)?json\s*(;|$)", re.IGNORECASE)


def ignored_fields(request: Request) -> IgnoredFields:
    """Return the ignored fields of a request that are known so far."""
    return request.scope[SCOPE_KEY]


class Judge:
    """A dependency that notes the parameters and body fields which a route does not know.

    Args:
        rules: search rules of the route's room.
    """

    def __init__(self, rules: SearchRules | None = None) -> None:
        self._rules = rules or SearchRules()

    async def __call__(self, request: Request) -> IgnoredFields:
        """Search a request.

        Raises:
            InvalidRequestError: the request prefers strict handling; names each unknown field.
        """
        ignored = ignored_fields(request)
        ignored.is_judged = True
        route: APIRoute = request.scope["route"]
        known = _known(route)
        found = list(unknown_parameters(known.query, request.query_params))
        if known.body and _JSON.match(request.headers.get("content-type", "")):
            # The body has been read and parsed already: FastAPI does so before its dependencies.
            body = await request.json() if await request.body() else None
            found += unknown_fields(known.body, body, self._rules)
        ignored.note(found)
        return ignored


JUDGED = Depends(Judge())
Ignored = Annotated[IgnoredFields, JUDGED]


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


def with_warnings(answer: AnswerT, ignored: IgnoredFields) -> AnswerT:
    """Return a record with what of this request was ignored; the record itself keeps no such."""
    if ignored.warnings:
        answer.warnings = [*(answer.warnings or []), *ignored.warnings]
    return answer


def note_unknown_form_fields(request: Request, known: Collection[str], sent: Iterable[str]) -> None:
    """Note the parts of a form that nothing reads, where a route has read the form itself.

    Raises:
        InvalidRequestError: the request prefers to be judged strictly; names each of them.
    """
    ignored_fields(request).note(
        IgnoredField(("body", name), nearest(name, known))
        for name in dict.fromkeys(sent)
        if name not in known
    )
