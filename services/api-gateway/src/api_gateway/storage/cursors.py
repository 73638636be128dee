"""Where a page of a list of pictures begins: behind the last path of the page before. Pure.

A cursor is a path in another spelling, and no secret: what it leads to is limited by the caller's
scope, as every page is.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from api_gateway.errors import Fault, InvalidRequestError
from api_gateway.storage.keys import MAX_KEY_BYTES

MAX_CURSOR_LENGTH = -(-MAX_KEY_BYTES * 4 // 3)


def cursor_behind(path: str) -> str:
    """Return the cursor of the page that begins behind a path."""
    return urlsafe_b64encode(path.encode()).decode().rstrip("=")


def path_before(cursor: str, prefix: str) -> str:
    """Return the path behind which a page begins.

    Raises:
        InvalidRequestError: it is no cursor, or one of another prefix.
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
    remedy = "take it from the Link header of the page before, and leave it out for the first page"
    return InvalidRequestError([Fault(("query", "cursor"), f"{message}; {remedy}")])
