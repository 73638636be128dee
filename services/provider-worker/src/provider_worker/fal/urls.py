"""Where a request to fal goes, and which of the URLs in its answers are believed. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import httpx

from shared.errors import InvalidInputError

_APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*){1,7}")
_NAMESPACES = frozenset({"workflows", "comfy"})
"""First parts of an app's id that stand before its owner."""
_SUFFIXES = {"status_url": "/status", "response_url": "", "cancel_url": "/cancel"}


def check_app_id(app_id: str) -> str:
    """An app's id that can stand in a URL.

    Raises:
        InvalidInputError: it cannot.
    """
    if len(app_id) > 300 or not _APP_ID.fullmatch(app_id):
        raise InvalidInputError(f"fal_app_id {app_id[:300]!r} is no app of fal: write owner/app")
    return app_id


def submit_url(base: str, app_id: str) -> str:
    """Where work is handed over."""
    return f"{base.rstrip('/')}/{check_app_id(app_id)}"


def request_url(base: str, handle: Mapping[str, Any], request_id: str, name: str) -> str:
    """Where one request is asked about.

    fal names these URLs in its answer, and wants them used. They are, where they lie at the
    configured origin: the key goes along, and must go nowhere else. Otherwise they are built as fal
    builds them, from owner and app without the path behind.

    Args:
        base: the queue, as configured now.
        handle: what was kept of fal's answer, and the app's id as `app`.
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
    """Whether a URL is a plain one at the origin of `base`."""
    try:
        ours, theirs = httpx.URL(base), httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    is_plain = not theirs.userinfo and not theirs.query and not theirs.fragment
    return is_plain and _origin(ours) == _origin(theirs)


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port
