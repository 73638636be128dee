"""The dependency of every public route that finds unknown fields and parameters."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar, get_args

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api_gateway.ignored.middleware import SCOPE_KEY
from api_gateway.ignored.nearest_names import nearest
from api_gateway.ignored.query import query_names, unknown_parameters
from api_gateway.ignored.report import IgnoredField, IgnoredFields
from api_gateway.ignored.schemas import Schema
from api_gateway.ignored.search import SearchRules, unknown_fields

_JSON = re.compile(r"application/([^;]+\+)?json\s*(;|$)", re.IGNORECASE)


def ignored_fields(request: Request) -> IgnoredFields:
    """Return the ignored fields of a request that are known so far."""
    return request.scope[SCOPE_KEY]


class FieldCheck:
    """Dependency that notes the parameters and body fields which a route does not know.

    Args:
        rules: the search rules of the route's package.
    """

    def __init__(self, rules: SearchRules | None = None) -> None:
        self.rules = rules or SearchRules()

    async def __call__(self, request: Request) -> IgnoredFields:
        """Search a request.

        Raises:
            InvalidRequestError: the request prefers strict handling; names each unknown field.
        """
        ignored = ignored_fields(request)
        ignored.is_checked = True
        route: APIRoute = request.scope["route"]
        known = _known(route)
        found = list(unknown_parameters(known.query, request.query_params))
        if known.body and _JSON.match(request.headers.get("content-type", "")):
            # Cached by the request: FastAPI has read and parsed it before any dependency.
            body = await request.json() if await request.body() else None
            found += unknown_fields(known.body, body, self.rules)
        ignored.note(found)
        return ignored


FIELD_CHECK = Depends(FieldCheck())
Ignored = Annotated[IgnoredFields, FIELD_CHECK]


@dataclass(frozen=True)
class _RouteFields:
    """The parameters and body schemas of a route."""

    query: frozenset[str]
    body: tuple[Schema, ...]

    @classmethod
    def of(cls, route: APIRoute) -> "_RouteFields":
        body = route.body_field and route.body_field.field_info.annotation
        members = get_args(body) or (body,)
        schemas = tuple(m for m in members if isinstance(m, type) and issubclass(m, BaseModel))
        return cls(frozenset(query_names(route.dependant)), schemas)


_KNOWN: dict[Callable[..., Any], _RouteFields] = {}
"""Cache by endpoint function; routes themselves are not hashable."""


def _known(route: APIRoute) -> _RouteFields:
    known = _KNOWN.get(route.endpoint)
    if known is None:
        known = _KNOWN[route.endpoint] = _RouteFields.of(route)
    return known


ResponseT = TypeVar("ResponseT", bound="HasWarnings")


class HasWarnings(Protocol):
    """A response that is a record with warnings."""

    warnings: list[str] | None


def with_warnings(response: ResponseT, ignored: IgnoredFields) -> ResponseT:
    """Return a record with a warning per ignored field; the stored record is not changed."""
    if ignored.warnings:
        response.warnings = [*(response.warnings or []), *ignored.warnings]
    return response


def note_unknown_form_fields(request: Request, known: Collection[str], sent: Iterable[str]) -> None:
    """Note the unknown fields of a form that its route has read itself.

    Raises:
        InvalidRequestError: the request prefers strict handling; names each of them.
    """
    ignored_fields(request).note(
        IgnoredField(("body", name), nearest(name, known))
        for name in dict.fromkeys(sent)
        if name not in known
    )
