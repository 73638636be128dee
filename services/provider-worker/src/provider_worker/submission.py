"""The marks of paid submissions: objects that make each attempt be submitted at most once.

Before the request a worker creates `…/a{n}/sent`, which only one of several can do; after it, it
writes the provider's acceptance to `…/a{n}/answer`. A repeated `submit_work` then finds an answer,
which it returns; or a mark without an answer, so that the outcome is unknown; or neither, so that
nothing was sent (docs/decisions/0039).
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog
from pydantic import ValidationError

from shared.contracts.submission_marks import ANSWER, SENT
from shared.contracts.submissions import RemoteWork, Submission
from shared.contracts.task_types.table import TASK_TYPES
from shared.errors import ObjectNotFoundError, PlatformError, SubmissionUnknownError
from shared.storage.object_store import ObjectStore

_log = structlog.stdlib.get_logger(__name__)
_JSON = "application/json"
_LOOKS_EVERY_S = 0.5


class Marks:
    """The marks in the object store.

    Args:
        objects: a store that honours conditional writes (`honours_conditional_writes`).
        sending_s: seconds from a mark to its answer, at most. A mark without an answer that is
            younger belongs to a worker that may still be sending.
    """

    def __init__(self, objects: ObjectStore, *, sending_s: float = 60) -> None:
        self._objects = objects
        self._sending_s = sending_s

    async def parked(self, work: RemoteWork) -> Submission | None:
        """Return the submission of another try of this attempt; none if nothing was sent.

        While another try may be sending, wait for it.

        Raises:
            SubmissionUnknownError: another try may have sent the request, and its response is not
                known.
            StorageError: the store does not respond.
        """
        while True:
            mark = await self._objects.head(_key(work, SENT))
            if mark is None:
                return None
            if (submission := await self._answer(work)) is not None:
                return submission
            age_s = (datetime.now(UTC) - mark.last_modified).total_seconds()
            if age_s > self._sending_s:
                raise _unknown(
                    "the worker that submitted it was lost before it stored the response"
                )
            await asyncio.sleep(_LOOKS_EVERY_S)

    async def _answer(self, work: RemoteWork) -> Submission | None:
        try:
            return Submission.model_validate_json(await self._objects.get(_key(work, ANSWER)))
        except ObjectNotFoundError:
            return None
        except ValidationError as error:
            raise _unknown("the stored response cannot be read") from error

    async def park(self, work: RemoteWork, submission: Submission) -> None:
        """Store the provider's acceptance. A failure is logged only: the activity returns it."""
        content = submission.model_dump_json().encode()
        try:
            await self._objects.put(_key(work, ANSWER), content, _JSON)
        except PlatformError as error:
            _log.warning("submission_not_parked", task_id=str(work.task_id), error=str(error))

    async def submit(
        self, work: RemoteWork, send: Callable[[], Awaitable[Submission]]
    ) -> Submission:
        """Send the request unless another try has sent it, and park the acceptance.

        Raises:
            SubmissionUnknownError: it is not known whether the provider accepted the work.
            StorageError: the mark could not be written; nothing was sent.
            PlatformError: the provider did not accept the work.
        """
        if not await self._objects.put_new(_key(work, SENT), b"", "text/plain"):
            submission = await self.parked(work)
            if submission is None:
                raise _unknown("the mark of its submission was removed")
            return submission
        submission = await send()
        await self.park(work, submission)
        return submission


def _key(work: RemoteWork, name: str) -> str:
    return f"{TASK_TYPES[work.task_type].attempt_folder(work.task_id, work.attempt)}/{name}"


def _unknown(why: str) -> SubmissionUnknownError:
    return SubmissionUnknownError(
        f"{why}; the provider may have accepted the work, so it is not submitted again"
    )
