"""Cursors of the list of images: the last path of the previous page, encoded. Pure.

A cursor is no secret: every page is limited to the caller's scope.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.storage.keys import MAX_KEY_BYTES

MAX_CURSOR_LENGTH = -(-MAX_KEY_BYTES * 4 // 3)


def cursor_behind(path: str) -> str:
    """Return the cursor of the page after a path."""
    return urlsafe_b64encode(path.encode()).decode().rstrip("=")


def path_before(cursor: str, prefix: str) -> str:
    """Return the path after which a page begins.

    Raises:
        InvalidRequestError: the cursor is malformed, or belongs to another prefix.
    """
    try:
        path = urlsafe_b64decode(f"{cursor}{'=' * (-len(cursor) % 4)}").decode()
    except ValueError as error:
        raise _refused("is no cursor") from error
    if not path or cursor_behind(path) != cursor or "\0" in path:
        raise _refused("is no cursor")
    if not path.startswith(prefix):
        raise _refused("is of a list with another prefix")
    return path


def _refused(message: str) -> InvalidRequestError:
    remedy = "take it from the previous page's Link header, and leave it out for the first page"
    return InvalidRequestError([Fault(("query", "cursor"), f"{message}; {remedy}")])
