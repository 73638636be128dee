"""`Idempotency-Key` on creates: the same request again gets the first answer again, for 24 hours.

A route takes `Repeatable`; its service calls `claim` first thing in its transaction, and `keep`
last. A repeat ends in `claim` by `Repeated`, which is rendered as the first answer. What has no row
has a run whose id derives from the key: `hold` and `run_id`.
"""

import hashlib
import json
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from api_gateway.auth.dependencies import Caller
from api_gateway.errors import Fault, InvalidRequestError, Problem, Repeated
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
            description="Repeats of a request with the same key get the first answer for 24 h",
            # Beside the union with null, where it binds strings alone; checked below.
            json_schema_extra={"pattern": f"^[!-~]{{1,{_LONGEST}}}$"},
        ),
    ] = None,
) -> CreateRequest | None:
    """The request as its repeats will know it; none where it carries no key.

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
    # A form's parts are hashed by the route that reads them: the body may be too large for memory.
    body = b"" if content_type.startswith("multipart/") else await request.body()
    route = f"{request.method} {request.url.path}?{request.url.query}"
    if len(route) > _LONGEST:
        route = hashlib.sha256(route.encode()).hexdigest()
    return CreateRequest(caller.owner, route, idempotency_key, hash_body(body))


Repeatable = Annotated[CreateRequest | None, Depends(repeatable)]


def hash_body(body: bytes) -> str:
    """SHA-256 of a body; of JSON, whatever the order of its fields and its white space."""
    try:
        canonical = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except ValueError:
        canonical = body
    return hashlib.sha256(canonical).hexdigest()


async def claim(session: AsyncSession, request: CreateRequest | None) -> None:
    """Take the key for this request.

    Raises:
        Repeated: it was answered before; carries that answer.
        Problem: 422, the key was used for another request.
    """
    if request is None:
        return
    first = await claim_key(session, request)
    if first is None:
        return
    _check_same(first, request)
    if first.answer is None:
        raise Problem(409, "in_progress", "the first request with this key has not been answered")
    raise Repeated(first.answer)


async def hold(sessions: Sessions, request: CreateRequest | None) -> None:
    """Take the key for a request whose answer its run keeps: `run_id` leads every repeat there.

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
    """Name the run that does what a request asks for and has no row; repeats name the same."""
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


async def keep(session: AsyncSession, request: CreateRequest | None, answer: BaseModel) -> None:
    """Keep the answer for repeats."""
    if request is not None:
        dumped: dict[str, Any] = answer.model_dump(mode="json", by_alias=True)
        await store_response(session, request, dumped)
