"""fal's adapter: hand over, wait, fetch, withdraw. Its neighbours say what is sent and meant."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from provider_worker.adapters import Accepted, Made, Send, WithdrawalAnswer
from provider_worker.calls import CallLog
from provider_worker.errors import AnswerTooLargeError, UnusableAnswerError
from provider_worker.fal.answer import Answer
from provider_worker.fal.client import FalQueue, Question
from provider_worker.fal.convert import FalOrder, fal_order, needed_objects, read_options
from provider_worker.fal.errors import poll_error, result_error, submit_error, work_error
from provider_worker.fal.results import app_results, logged_progress, picture_urls
from provider_worker.fal.urls import request_url, submit_url
from provider_worker.fal.wire import CancelAnswer, Queued, QueueStatus
from provider_worker.pictures import PictureKeeper, data_url
from provider_worker.settings import FalSettings
from shared.contracts.enums import ErrorCategory, ProviderType, TaskQueue, TaskType
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.submissions import RemoteWork, SubmittedWork
from shared.contracts.task_types.table import TASK_TYPES
from shared.contracts.untrusted import RESULT
from shared.errors import ObjectNotFoundError, PlatformError
from shared.storage.object_store import ObjectStore

_T = TypeVar("_T")
_TRIES = 5
"""Of one question, before it is left to Temporal to let it be asked again later."""
_BACKOFF_S, _LONGEST_WAIT_S = 0.5, 10.0
_POLL_GROWTH, _POLL_SLOWEST = 1.1, 10
"""What takes long is asked about less often, down to a tenth as often."""
_MAX_PICTURES_BYTES = 64 * 1024 * 1024
"""Of an answer with pictures in it, not their URLs."""
_WITHDRAW_TIMEOUT_S = 5.0
_WITHDRAWN = frozenset({"OK"})
"""CANCELLATION_REQUESTED is none: work that has begun gets a signal, which it may not heed."""
_NOT_WITHDRAWN = {"CANCELLATION_REQUESTED": "; what has begun may go on to its end, and cost"}


class FalAdapter:
    """Any app, and pictures from a prompt. Implements `Adapter`.

    Args:
        settings: where fal is, and the key.
        objects: where pictures and LoRAs come from.
        pictures: fetches and stores what fal made.
    """

    queue = TaskQueue.PROVIDER_FAL
    serves = frozenset(
        {
            (ProviderType.FAL_STANDARD, TaskType.GENERATION),
            (ProviderType.FAL_STANDARD, TaskType.EXPERIMENTAL_FAL),
        }
    )

    def __init__(
        self, settings: FalSettings, objects: ObjectStore, pictures: PictureKeeper
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._pictures = pictures
        self._fal = FalQueue(settings)

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Make the request ready: pictures go along in it or by URL, LoRAs by URL."""
        needed = needed_objects(work)
        urls = {key: await self._picture_url(key) for key in needed.pictures}
        urls |= {key: self._presigned(key) for key in needed.files}
        order = fal_order(work, urls)
        return lambda: self._submit(order, log)

    async def _submit(self, order: FalOrder, log: CallLog) -> Accepted:
        url = submit_url(self._fal.base, order.app_id)
        answer = await self._fal.submit(url, order.input, log)
        queued = answer.read(Queued) if answer.is_success else None
        if queued is None:
            raise submit_error(answer)
        return Accepted(
            request_id=queued.request_id,
            handle={"app": order.app_id, **queued.model_dump(exclude={"request_id"})},
        )

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> Made:
        """Ask until fal has ended with it, then fetch what it made."""
        status = await self._ended(work, log, on_progress)
        try:
            answer = await _persist(lambda: self._result(work, log))
        except PlatformError as error:
            # The result of a failed request says best why; where it cannot be had, the status does.
            is_told = error.is_final and not isinstance(error, UnusableAnswerError)
            if status.error is None or is_told:
                raise
            raise work_error(status) from error
        if status.error is not None:
            raise work_error(status)
        if work.task_type == TaskType.EXPERIMENTAL_FAL:
            return Made(await self._fal.apart(app_results, answer))
        urls = await self._fal.apart(picture_urls, answer, read_options(work))
        return await self._kept(work, urls, log)

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalAnswer:
        """Ask fal to drop the work. What a runner has begun may go on, and cost."""
        url = self._url(work, "cancel_url")
        request_id = work.submission.request_id
        question = Question("PUT", url, request_id, timeout_s=_WITHDRAW_TIMEOUT_S)
        answer = await self._fal.ask(question, log)
        said = answer.read(CancelAnswer)
        if said is None and (answer.is_success or answer.status not in (400, 404, 405, 409)):
            raise poll_error(answer)
        word = said.status if said else str(answer.status)
        is_withdrawn = answer.is_success and word in _WITHDRAWN
        told = "" if is_withdrawn else _NOT_WITHDRAWN.get(word, "; the work was not withdrawn")
        return WithdrawalAnswer(is_withdrawn, f"fal answered {word} to the cancellation{told}")

    async def close(self) -> None:
        """Let connections go."""
        await self._fal.close()
        await self._pictures.close()

    async def _ended(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> QueueStatus:
        until = work.submission.submitted_at + timedelta(seconds=work.timeout_s)
        interval_s = self._settings.poll_interval_s
        url = f"{self._url(work, 'status_url')}?logs=1"
        while True:
            try:
                status, fraction = await _persist(partial(self._status, url, work, log))
            except AnswerTooLargeError as error:  # an app that logs without end
                plain = self._url(work, "status_url")
                if url == plain:
                    raise PlatformError(str(error), category=ErrorCategory.NETWORK) from error
                url = plain
                continue
            except PlatformError as error:
                if error.is_final or datetime.now(UTC) < until:
                    raise
                raise _late(work) from error
            if status.is_done:
                return status
            if datetime.now(UTC) >= until:
                raise _late(work)
            if fraction is not None:
                on_progress(fraction)
            await asyncio.sleep(interval_s)
            interval_s = min(
                interval_s * _POLL_GROWTH, _POLL_SLOWEST * self._settings.poll_interval_s
            )

    async def _status(
        self, url: str, work: SubmittedWork, log: CallLog
    ) -> tuple[QueueStatus, float | None]:
        """How it stands, and how far it is by its logs."""
        question = Question("GET", url, work.submission.request_id, is_poll=True)
        answer = await self._fal.ask(question, log)
        status = await self._fal.apart(answer.read, QueueStatus) if answer.is_success else None
        if status is None:
            raise poll_error(answer)
        return status, await self._fal.apart(logged_progress, status.logs)

    async def _result(self, work: SubmittedWork, log: CallLog) -> Answer:
        is_app = work.task_type == TaskType.EXPERIMENTAL_FAL
        max_bytes = (is_app and RESULT.max_bytes) or _MAX_PICTURES_BYTES
        url = self._url(work, "response_url")
        question = Question("GET", url, work.submission.request_id, max_bytes=max_bytes)
        try:
            answer = await self._fal.ask(question, log)
        except AnswerTooLargeError as error:
            raise UnusableAnswerError(
                f"{error}; let the app answer with URLs (sync_mode false)"
            ) from error
        if not answer.is_success:
            raise result_error(answer)
        return answer

    async def _kept(self, work: SubmittedWork, urls: list[str], log: CallLog) -> Made:
        folder = TASK_TYPES[work.task_type].attempt_folder(work.task_id, work.attempt)
        files = [
            await self._pictures.keep(url, f"{folder}/image_{index}.png", log)
            for index, url in enumerate(urls)
        ]
        keys = [file.key for file in files]
        return Made({"result_image_path": keys[0], "result_image_paths": keys}, files)

    def _url(self, work: SubmittedWork, name: str) -> str:
        submission = work.submission
        return request_url(self._fal.base, submission.handle, submission.request_id, name)

    async def _picture_url(self, key: str) -> str:
        info = await self._objects.head(key)
        if info is None:
            raise ObjectNotFoundError(f"there is no object with the key {key!r}")
        if info.size_bytes > self._settings.inline_max_bytes:
            return self._presigned(key)
        return data_url(await self._objects.get(key), info.content_type)

    def _presigned(self, key: str) -> str:
        return self._objects.presigned_url(key, expires_s=self._settings.presign_s)


def _late(work: SubmittedWork) -> PlatformError:
    return PlatformError(
        f"fal was not done with it within {work.timeout_s:g} s",
        category=ErrorCategory.TIMEOUT,
        is_final=True,
    )


async def _persist(ask: Callable[[], Awaitable[_T]]) -> _T:
    """Ask a few times, unless the answer would be the same or fal wants a long rest.

    Raises:
        PlatformError: the last one.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await ask()
        except PlatformError as error:
            wait_s = max(_BACKOFF_S * 2 ** (tries - 1), error.retry_after_s or 0)
            is_hopeless = error.is_final or not CONSEQUENCES[error.category].is_retried
            if is_hopeless or tries == _TRIES or wait_s > _LONGEST_WAIT_S:
                raise
        await asyncio.sleep(wait_s)
