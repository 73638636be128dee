"""URLs of requests to fal, and the check of URLs that fal returned. Pure functions."""

from collections.abc import Mapping
from typing import Any

import httpx

from shared.contracts.fal_apps.app_id import app_id_fault
from shared.errors import InvalidInputError

_NAMESPACES = frozenset({"workflows", "comfy"})
"""First parts of an app's id that precede its owner."""
_SUFFIXES = {"status_url": "/status", "response_url": "", "cancel_url": "/cancel"}


def check_app_id(app_id: str) -> str:
    """Return an app's id after checking that it is valid in a URL.

    Raises:
        InvalidInputError: it is not.
    """
    if fault := app_id_fault(app_id):
        raise InvalidInputError(f"fal_app_id {fault}")
    return app_id


def submit_url(base: str, app_id: str) -> str:
    """Return the URL of a submission."""
    return f"{base.rstrip('/')}/{check_app_id(app_id)}"


def request_url(base: str, handle: Mapping[str, Any], request_id: str, name: str) -> str:
    """Return a URL of a submitted request.

    fal returns these URLs, and expects clients to use them. They are used only if they have the
    configured origin, because the API key must be sent nowhere else. Otherwise they are built as
    fal builds them: from owner and app, without the rest of the app's path.

    Args:
        base: URL of the queue, as configured now.
        handle: the URLs that fal returned, and the app's id as `app`.
        request_id: fal's id of the request.
        name: `status_url`, `response_url` or `cancel_url`.
    """
    stated = handle.get(name)
    if isinstance(stated, str) and is_below(base, stated):
        return stated
    parts = check_app_id(str(handle.get("app"))).split("/")
    owner_and_app = "/".join(parts[: 3 if parts[0] in _NAMESPACES else 2])
    return f"{base.rstrip('/')}/{owner_and_app}/requests/{request_id}{_SUFFIXES[name]}"


def is_below(base: str, url: str) -> bool:
    """Return true if a URL has the origin of `base`, and no credentials, query or fragment."""
    try:
        ours, theirs = httpx.URL(base), httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    is_plain = not theirs.userinfo and not theirs.query and not theirs.fragment
    return is_plain and _origin(ours) == _origin(theirs)


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port
