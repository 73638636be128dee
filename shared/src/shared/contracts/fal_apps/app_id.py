"""The syntax of an app's id on fal."""

import re

MAX_CHARS = 300
_APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*){1,7}")


def app_id_fault(app_id: str) -> str | None:
    """Return why a text is not the id of an app, or none."""
    if len(app_id) <= MAX_CHARS and _APP_ID.fullmatch(app_id):
        return None
    return f"{app_id[:MAX_CHARS]!r} is not a fal app: write owner/app or owner/app/path"
