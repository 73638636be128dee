"""The methods of each path, for 405 responses with a complete `Allow` header (RFC 9110).

Starlette responds 405 for the first route with the path, and lists only that route's method.
It would also take a fixed path such as `/tasks/generation` for an ID of `/tasks/{task_id}` when
only the latter has the method.
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
        """Return the methods of a path without parameters that lacks this one; else none."""
        methods = self._fixed.get(path, set())
        return frozenset() if method in methods else frozenset(methods)

    def allowed(self, path: str) -> frozenset[str]:
        """Return all methods of a path."""
        if path in self._fixed:
            return frozenset(self._fixed[path])
        found = (methods for pattern, methods in self._patterns.items() if pattern.match(path))
        return frozenset[str]().union(*found)

    def served_path(self, path: str) -> str:
        """Return a path with or without its last slash, whichever is served."""
        other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        return other if not self.allowed(path) and self.allowed(other) else path


def method_table(app: FastAPI) -> MethodTable:
    """Return the table of an application, built once."""
    table: MethodTable | None = getattr(app.state, "method_table", None)
    if table is None:
        table = app.state.method_table = MethodTable(app.routes)
    return table
