"""Paid requests whose response is the result, sent by a vendor's own client through the gate.

The submission stores the whole response, and the wait reads it, as often as needed: the client then
gets the stored response in place of a request (docs/decisions/0042).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from provider_worker.calls import CallLog
from provider_worker.errors import DamagedResultError
from provider_worker.outcomes import Accepted, WithdrawalResult
from provider_worker.submission import stored_response
from provider_worker.wire.errors import Errors
from provider_worker.wire.once import Passage, Received, SentTwiceError, one_request
from provider_worker.wire.response import WireResponse
from shared.contracts.enums import ErrorCategory
from shared.contracts.submissions import SubmittedWork
from shared.errors import ObjectNotFoundError, PlatformError, SubmissionUnknownError
from shared.storage.object_store import ObjectStore

_R = TypeVar("_R", bound=WireResponse)
_HIDDEN = b"(key)"
_HEADERS_END = b"\n"
_LARGEST_RESPONSE = 128 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class AtOnce(Generic[_R]):
    """Requests to one provider.

    Attributes:
        name: of the provider, in messages.
        key: the secret, which is removed from everything that the provider returns; may be empty.
        timeout_s: limit of a request; after it the outcome is unknown.
        response: the class of the provider's responses.
        errors: translates responses that are no success.
        request_id: returns the provider's id of a request from its response.
        max_bytes: size limit of a response.
    """

    name: str
    key: str
    timeout_s: float
    response: type[_R]
    errors: Errors[_R]
    request_id: Callable[[_R], str]
    max_bytes: int = _LARGEST_RESPONSE

    async def send(self, call: Callable[[], Awaitable[object]], log: CallLog) -> Accepted:
        """Send one paid request, and return its whole response.

        The response decides, and not what the vendor's client makes of it.

        Args:
            call: sends it by a client above the gate.
            log: receives the request.

        Raises:
            PlatformError: nothing was sent, or the provider refused the request.
            SubmissionUnknownError: it was sent, and there was no complete or readable response.
        """
        error: Exception | None = None
        async with one_request(log, max_bytes=self.max_bytes) as passage:
            try:
                async with asyncio.timeout(self.timeout_s):
                    await call()
            except Exception as caught:  # noqa: BLE001 -- any client's; the response decides
                error = caught
        if passage.received is None:
            raise self._lost(passage, error) from None  # its causes may quote the key
        received = await asyncio.to_thread(self._without_key, passage.received)
        response = await asyncio.to_thread(self._parsed, received)
        if not response.is_success or not _is_object(response):
            raise self.errors.submission(response)
        return Accepted(self.request_id(response), response=_stored(received))

    async def result(self, objects: ObjectStore, work: SubmittedWork) -> tuple[_R, Received]:
        """Return the stored response of submitted work: parsed, and for `replayed`.

        Raises:
            DamagedResultError: it is gone.
            StorageError: the store does not respond.
        """
        try:
            stored = await stored_response(objects, work)
        except ObjectNotFoundError as error:
            raise DamagedResultError(f"{self.name}'s stored response is gone") from error
        return await self.loaded(stored)

    async def loaded(self, stored: bytes) -> tuple[_R, Received]:
        """Return the response of an acceptance: parsed, and for `replayed`."""
        received = _loaded(stored)
        return await asyncio.to_thread(self._parsed, received), received

    def withdrawal(self) -> WithdrawalResult:
        """Return that the work is done, and is charged."""
        message = f"{self.name} had responded already: the work is done and charged"
        return WithdrawalResult(is_withdrawn=False, message=message)

    def _lost(self, passage: Passage, error: Exception | None) -> PlatformError:
        name = self.name
        why = f"{type(error).__name__} {error}".strip() if error else "no request was sent"
        for key in filter(None, (self.key, repr(self.key)[1:-1])):  # it may be quoted by its repr
            why = why.replace(key, _HIDDEN.decode())
        if passage.has_left:
            return SubmissionUnknownError(
                f"{name}'s response was lost ({why}); {name} may have done the work, so it is not"
                " sent again"
            )
        if isinstance(error, PlatformError):
            return error
        if passage.is_used and not isinstance(error, SentTwiceError):
            return PlatformError(
                f"{name} could not be reached ({why}); nothing was sent",
                category=ErrorCategory.NETWORK,
            )
        return PlatformError(f"the request to {name} could not be built ({why}); nothing was sent")

    def _without_key(self, received: Received) -> Received:
        if not self.key:
            return received
        headers = {
            name: value.replace(self.key, _HIDDEN.decode())
            for name, value in received.headers.items()
            if name != "set-cookie"
        }
        content = received.content.replace(self.key.encode(), _HIDDEN)
        return Received(received.status, headers, content)

    def _parsed(self, received: Received) -> _R:
        response = self.response(received.status, received.headers, received.content)
        response.parse()
        return response


def _is_object(response: WireResponse) -> bool:
    try:
        return isinstance(response.json(), dict)
    except ValueError:
        return False


def _stored(received: Received) -> bytes:
    head = {"status": received.status, "headers": dict(received.headers)}
    return json.dumps(head).encode() + _HEADERS_END + received.content


def _loaded(stored: bytes) -> Received:
    head, _, content = stored.partition(_HEADERS_END)
    fields: Mapping[str, Any] = json.loads(head)
    return Received(fields["status"], fields["headers"], content)
