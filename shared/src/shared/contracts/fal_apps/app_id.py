"""The syntax of an app's id on fal."""

import re

MAX_CHARS = 300
_APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*){1,7}")


_OF_THE_QUEUE = "requests"
"""A part of a URL that leads to a request in fal's queue instead of to an app."""


def app_id_fault(app_id: str) -> str | None:
    """Return why a text is not the id of an app, or none."""
    is_app = len(app_id) <= MAX_CHARS and _APP_ID.fullmatch(app_id)
    if is_app and _OF_THE_QUEUE not in app_id.lower().split("/"):
        return None
    return f"{app_id[:MAX_CHARS]!r} is not a fal app: write owner/app or owner/app/path"
