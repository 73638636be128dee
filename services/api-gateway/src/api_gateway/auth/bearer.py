"""The credential in a request's `Authorization` header."""

import re
from collections.abc import Sequence

from api_gateway.errors import Problem

LONGEST_TOKEN = 8192
_HEADER = re.compile(r"bearer +([!-~]+)", re.IGNORECASE)


def unauthorized(detail: str) -> Problem:
    """Return the problem of a missing or invalid credential."""
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def bearer_token(headers: Sequence[str]) -> str:
    """Return the one credential of a request.

    Args:
        headers: every `Authorization` header of the request.

    Raises:
        Problem: 401, there is not exactly one, or it is not `Bearer <key or token>`.
    """
    if len(headers) > 1:
        raise unauthorized("send one Authorization header, not several")
    found = _HEADER.fullmatch(headers[0].strip()) if headers else None
    if found is None:
        raise unauthorized("give an API key or a JWT as `Authorization: Bearer <key or token>`")
    if len(found[1]) > LONGEST_TOKEN:
        raise unauthorized(f"a credential has at most {LONGEST_TOKEN} characters")
    return found[1]
