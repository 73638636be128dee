"""Idempotency keys of create requests: a repeated request gets its first response for 24 hours.

A route takes `Repeatable`. Its service calls `claim` first in its transaction and `keep_response`
last. `claim` raises `RepeatedRequest` for a repeated request, which is rendered as the first
response. An operation without a row of its own calls `reserve_key`, and derives the ID of its run
from the key by `run_id`.
"""

import hashlib
import json
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.dependencies import Caller
from api_gateway.errors import Fault, InvalidRequestError, Problem, RepeatedRequest
from shared.db.models.idempotency import IdempotencyKey
from shared.db.repositories.idempotency import CreateRequest, claim_key, store_response
from shared.db.session import Sessions

_LONGEST = 255


async def repeatable(
    request: Request,
    caller: Caller,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Repeats of a request with the same key get the first response for 24 h",
            # Documentation only; the key is checked below.
            json_schema_extra={"pattern": f"^[!-~]{{1,{_LONGEST}}}$"},
        ),
    ] = None,
) -> CreateRequest | None:
    """Return the key and the identity of a request; none if it carries no key.

    Raises:
        InvalidRequestError: the key is not 1 to 255 visible ASCII characters.
    """
    if idempotency_key is None:
        return None
    is_visible = all("!" <= character <= "~" for character in idempotency_key)
    if not is_visible or not 1 <= len(idempotency_key) <= _LONGEST:
        message = f"must be 1 to {_LONGEST} visible ASCII characters"
        raise InvalidRequestError([Fault(("header", "Idempotency-Key"), message)])
    content_type = request.headers.get("content-type", "")
    # The route that reads a form hashes it: its body may be too large for memory.
    body = b"" if content_type.startswith("multipart/") else await request.body()
    route = f"{request.method} {request.url.path}?{request.url.query}"
    if len(route) > _LONGEST:
        route = hashlib.sha256(route.encode()).hexdigest()
    return CreateRequest(caller.owner, route, idempotency_key, hash_body(body))


Repeatable = Annotated[CreateRequest | None, Depends(repeatable)]


def hash_body(body: bytes) -> str:
    """Return the SHA-256 of a body; for JSON, independent of key order and white space."""
    try:
        canonical = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except ValueError:
        canonical = body
    return hashlib.sha256(canonical).hexdigest()


async def claim(session: AsyncSession, request: CreateRequest | None) -> None:
    """Claim the key for this request.

    Raises:
        RepeatedRequest: the request was completed before; carries its response.
        Problem: 422, the key was used for another request; 409, the first request is in progress.
    """
    if request is None:
        return
    first = await claim_key(session, request)
    if first is None:
        return
    _check_same(first, request)
    if first.answer is None:
        message = "the first request with this key is still in progress; try again later"
        raise Problem(409, "in_progress", message)
    raise RepeatedRequest(first.answer)


async def reserve_key(sessions: Sessions, request: CreateRequest | None) -> None:
    """Claim the key for a request whose run keeps the result; a repeat finds that run by `run_id`.

    Raises:
        Problem: 422, the key was used for another request.
    """
    if request is None:
        return
    async with sessions.begin() as session:
        first = await claim_key(session, request)
        if first is not None:
            _check_same(first, request)


def run_id(request: CreateRequest | None) -> UUID:
    """Return the ID of the run of a request that has no row; the same for every repeat."""
    if request is None:
        return uuid4()
    named = json.dumps([request.owner, request.route, request.key, request.body_hash])
    return UUID(bytes=hashlib.sha256(named.encode()).digest()[:16])


def _check_same(first: IdempotencyKey, request: CreateRequest) -> None:
    if first.body_hash != request.body_hash:
        raise Problem(
            422,
            "idempotency_key_reused",
            "this Idempotency-Key was used for a different request; use a new one",
        )


async def keep_response(
    session: AsyncSession, request: CreateRequest | None, response: BaseModel
) -> None:
    """Store the response for repeats."""
    if request is not None:
        dumped: dict[str, Any] = response.model_dump(mode="json", by_alias=True)
        await store_response(session, request, dumped)
