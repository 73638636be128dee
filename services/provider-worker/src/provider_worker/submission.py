"""The marks of paid submissions: objects that make each attempt be submitted at most once.

Before the request a worker creates `…/a{n}/sent`, which only one of several can do; after it, it
writes the provider's response to `…/a{n}/answer`: the acceptance or the refusal, as one line of
JSON. If the response is the result itself, it follows that line, in one object, so that both are
stored or neither. A repeated `submit_work` then finds a response, which it returns; or a mark
without one, so that the outcome is unknown; or neither, so that nothing was sent
(docs/decisions/0039, 0042).
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from pydantic import TypeAdapter, ValidationError

from provider_worker.folders import attempt_folder
from shared.contracts.enums import ErrorCategory
from shared.contracts.message import Message
from shared.contracts.submission_marks import ANSWER, SENT
from shared.contracts.submissions import RemoteWork, Submission
from shared.errors import (
    ObjectNotFoundError,
    PlatformError,
    StorageError,
    SubmissionUnknownError,
)
from shared.storage.object_store import ObjectStore

_log = structlog.stdlib.get_logger(__name__)
_JSON = "application/json"
_LOOKS_EVERY_S = 0.5
_MARKS_WITHIN_S = 10.0
"""A mark that takes longer is not followed by the request: others may have given up waiting."""
_PARKS_WITHIN_S = 10.0
"""An acceptance that takes longer to store is returned unstored, before the activity times out."""
_STORES_WITHIN_S = 40.0
"""A result that takes longer to store is lost."""
_STORES_AGAIN_AFTER_S = 1.0
_JSON_END = b"\n"


def longest_submission_s(request_s: float, *, is_at_once: bool) -> float:
    """Return the longest time from a mark to its response, in seconds.

    Args:
        request_s: the longest time of the request.
        is_at_once: true if the response is the result.
    """
    return _MARKS_WITHIN_S + request_s + (_STORES_WITHIN_S if is_at_once else _PARKS_WITHIN_S)


class Refusal(Message):
    """A submission that did not reach the provider, or that it refused: nothing is charged."""

    refusal: str
    category: ErrorCategory
    retry_after_s: float | None = None


_ANSWER: TypeAdapter[Submission | Refusal] = TypeAdapter(Submission | Refusal)


@dataclass(frozen=True)
class Sent:
    """The outcome of a request that the provider accepted.

    Attributes:
        submission: the acceptance.
        response: the whole response if it is the result itself.
    """

    submission: Submission
    response: bytes | None = None


class Marks:
    """The marks in the object store.

    Args:
        objects: a store that honours conditional writes (`honours_conditional_writes`).
        sending_s: seconds from a mark to its response, at most. They are counted from the moment at
            which this worker finds the mark, since the store's clock may differ.
    """

    def __init__(self, objects: ObjectStore, *, sending_s: float) -> None:
        self._objects = objects
        self._sending_s = sending_s

    async def parked(self, work: RemoteWork) -> Submission | None:
        """Return the submission of another try of this attempt; none if nothing was sent.

        While another try may be sending, wait for it.

        Raises:
            SubmissionUnknownError: another try may have sent the request, and its response is not
                known.
            StorageError: the store does not respond.
            PlatformError: the provider refused the work.
        """
        if await self._objects.head(_key(work, SENT)) is None:
            return None
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._sending_s
        while True:
            is_last = loop.time() >= ends_at
            if (submission := await self._answer(work)) is not None:
                return submission
            if is_last:
                raise _unknown(
                    "the worker that submitted it was lost before it stored the response"
                )
            await asyncio.sleep(min(_LOOKS_EVERY_S, max(0, ends_at - loop.time())))

    async def _answer(self, work: RemoteWork) -> Submission | None:
        try:
            stored = await self._objects.get(_key(work, ANSWER))
            answer = _ANSWER.validate_json(stored.partition(_JSON_END)[0])
        except ObjectNotFoundError:
            return None
        except ValidationError as error:
            raise _unknown("the stored response cannot be read") from error
        if isinstance(answer, Submission):
            return answer
        raise PlatformError(
            answer.refusal, category=answer.category, retry_after_s=answer.retry_after_s
        )

    async def submit(self, work: RemoteWork, send: Callable[[], Awaitable[Sent]]) -> Submission:
        """Send the request unless another try has sent it, and store the response.

        Raises:
            SubmissionUnknownError: it is not known whether the provider accepted the work.
            StorageError: the mark could not be written; nothing was sent.
            PlatformError: the provider did not accept the work.
        """
        if not await self._claimed(work):
            submission = await self.parked(work)
            if submission is None:
                raise _unknown("the mark of its submission was removed")
            return submission
        try:
            sent = await send()
        except SubmissionUnknownError:
            raise
        except PlatformError as error:
            refusal = Refusal(
                refusal=str(error), category=error.category, retry_after_s=error.retry_after_s
            )
            await self._park(work, refusal)
            raise
        except Exception as error:  # noqa: BLE001 -- its text may quote the request
            name, trace = type(error).__name__, traceback.format_tb(error.__traceback__)
            _log.error("submission_ended_unexpectedly", error=name, trace=trace)
            raise _unknown(f"{name} ended its submission unexpectedly") from None
        if sent.response is None:
            await self._park(work, sent.submission)
        else:
            await self._store(work, sent.submission, sent.response)
        return sent.submission

    async def _claimed(self, work: RemoteWork) -> bool:
        try:
            async with asyncio.timeout(_MARKS_WITHIN_S):
                return await self._objects.put_new(_key(work, SENT), b"", "text/plain")
        except TimeoutError:
            raise StorageError(
                f"object storage did not mark the submission within {_MARKS_WITHIN_S:g} s; nothing"
                " was sent"
            ) from None

    async def _park(self, work: RemoteWork, answer: Submission | Refusal) -> None:
        """Store the response. A failure is logged only: the activity returns the response."""
        try:
            async with asyncio.timeout(_PARKS_WITHIN_S):
                content = answer.model_dump_json().encode()
                await self._objects.put(_key(work, ANSWER), content, _JSON)
        except Exception as error:  # noqa: BLE001 -- an error would lose paid work
            _log.warning("submission_not_parked", task_id=str(work.task_id), error=str(error))

    async def _store(self, work: RemoteWork, submission: Submission, response: bytes) -> None:
        """Store a result that is paid for, again and again while the store fails.

        Raises:
            SubmissionUnknownError: the store failed for 40 s.
        """
        content = submission.model_dump_json().encode() + _JSON_END + response
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + _STORES_WITHIN_S
        while True:
            try:
                async with asyncio.timeout_at(ends_at):
                    await self._objects.put(_key(work, ANSWER), content, "application/octet-stream")
            except (StorageError, TimeoutError) as error:
                _log.warning("response_not_stored", task_id=str(work.task_id), error=str(error))
                if loop.time() + _STORES_AGAIN_AFTER_S >= ends_at:
                    raise SubmissionUnknownError(
                        "the work is done, but its result was lost: object storage did not take it"
                        f" within {_STORES_WITHIN_S:g} s"
                    ) from error
            else:
                return
            await asyncio.sleep(_STORES_AGAIN_AFTER_S)


async def stored_response(objects: ObjectStore, work: RemoteWork) -> bytes:
    """Return the response that was stored with the submission of the work.

    Raises:
        ObjectNotFoundError: it was removed, or the provider's response was no result.
        StorageError: the store does not respond.
    """
    stored = await objects.get(_key(work, ANSWER))
    _, end, response = stored.partition(_JSON_END)
    if not end:
        raise ObjectNotFoundError("the submission was stored without a response")
    return response


def _key(work: RemoteWork, name: str) -> str:
    return f"{attempt_folder(work)}/{name}"


def _unknown(why: str) -> SubmissionUnknownError:
    return SubmissionUnknownError(
        f"{why}; the provider may have accepted the work, so it is not submitted again"
    )
