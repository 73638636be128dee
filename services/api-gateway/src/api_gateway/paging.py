"""Pagination headers of lists: the number of entries, and the next page's URL (RFC 8288).

The bodies have no such fields: they are as the reference defines them.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Request, Response

from api_gateway.resources import Resources

EntryT = TypeVar("EntryT")
_TOTAL, _LINK = "X-Total-Count", "Link"


class Paging:
    """The pagination headers of one response."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request, self._response = request, response

    def set(self, *, total: int | None, following: Mapping[str, str | int] | None) -> None:
        """Set the headers.

        Args:
            total: number of entries on all pages; none: too many to be counted.
            following: query parameters in which the next page's request differs from this one;
                none: this is the last page.
        """
        if total is not None:
            self._response.headers[_TOTAL] = str(total)
        if following is not None:
            query = [
                (name, value)
                for name, value in self._request.query_params.multi_items()
                if name not in following
            ]
            res: Resources = self._request.app.state.resources
            path = f"{res.settings.public_url.rstrip('/')}{self._request.url.path}"
            url = f"{path}?{urlencode([*query, *following.items()])}"
            self._response.headers[_LINK] = f'<{url}>; rel="next"'

    def set_by_total(self, skip: int, limit: int, total: int) -> None:
        """Set the headers of a list whose entries are counted."""
        end = skip + limit
        self.set(total=total, following={"skip": end} if end < total else None)


async def paging(request: Request, response: Response) -> Paging:
    """Return the pagination headers of a request."""
    return Paging(request, response)


Pages = Annotated[Paging, Depends(paging)]


def split(entries: Sequence[EntryT], limit: int) -> tuple[Sequence[EntryT], bool]:
    """Split off the entry requested beyond a page; return the page, and whether there was one."""
    return entries[:limit], len(entries) > limit


def add_page_headers(document: dict[str, Any]) -> None:
    """Add the headers to every list in an OpenAPI document."""
    for item in document["paths"].values():
        operation = item.get("get", {})
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        if names & {"limit", "page_size"}:
            operation["responses"]["200"]["headers"] = _HEADERS


_HEADERS: dict[str, Any] = {
    _TOTAL: {
        "description": "Number of entries on all pages; left out if counting them would take too"
        " long",
        "schema": {"type": "integer", "minimum": 0},
    },
    _LINK: {
        "description": 'The next page, as `<URL>; rel="next"` (RFC 8288); left out on the last one',
        "schema": {"type": "string"},
    },
}
