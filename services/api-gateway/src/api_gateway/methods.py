"""Which methods a path has: 405 with all of them in `Allow` (RFC 9110).

Starlette answers 405 by the first route that has the path, and names that route's method alone.
And a path of its own, such as `/tasks/generation`, would be taken for an id of `/tasks/{task_id}`
where only the latter has the method.
"""

import re
from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path


class MethodTable:
    """The methods of each path of an application."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._fixed: dict[str, set[str]] = {}
        self._patterns: dict[re.Pattern[str], set[str]] = {}
        for route in iter_route_contexts(routes):
            if route.path is None or route.methods is None:
                continue
            if "{" in route.path:
                pattern, _, _ = compile_path(route.path)
                self._patterns.setdefault(pattern, set()).update(route.methods)
            else:
                self._fixed.setdefault(route.path, set()).update(route.methods)

    def refused(self, method: str, path: str) -> frozenset[str]:
        """What a path without parameters has instead of this method; empty: it may have it."""
        methods = self._fixed.get(path, set())
        return frozenset() if method in methods else frozenset(methods)

    def allowed(self, path: str) -> frozenset[str]:
        """All methods that a path has."""
        if path in self._fixed:
            return frozenset(self._fixed[path])
        found = (methods for pattern, methods in self._patterns.items() if pattern.match(path))
        return frozenset[str]().union(*found)

    def spelt(self, path: str) -> str:
        """A path as it is served: where it is not, and is with or without a last slash, so."""
        other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        return other if not self.allowed(path) and self.allowed(other) else path


def method_table(app: FastAPI) -> MethodTable:
    """The table of an application, made once."""
    table: MethodTable | None = getattr(app.state, "method_table", None)
    if table is None:
        table = app.state.method_table = MethodTable(app.routes)
    return table
