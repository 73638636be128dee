"""The adapter for fal: submit, wait, download, withdraw."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from provider_worker.adapters import Accepted, ProviderResult, Send, WithdrawalResult
from provider_worker.calls import CallLog
from provider_worker.errors import ResponseTooLargeError, UnusableResultError
from provider_worker.fal.client import FalQueue, FalRequest
from provider_worker.fal.convert.call import FalCall, read_options
from provider_worker.fal.convert.dispatch import fal_call, needed_objects
from provider_worker.fal.errors import poll_error, result_error, submit_error, work_error
from provider_worker.fal.response import FalResponse
from provider_worker.fal.results import app_results, logged_progress, picture_urls
from provider_worker.fal.urls import request_url, submit_url
from provider_worker.fal.wire import CancelResponse, Queued, QueueStatus
from provider_worker.pictures import PictureDownloader, data_url
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
"""Tries of one request before Temporal retries the activity."""
_BACKOFF_S, _LONGEST_WAIT_S = 0.5, 10.0
_POLL_GROWTH, _POLL_SLOWEST = 1.1, 10
"""The poll interval grows by this factor, up to ten times the initial interval."""
_MAX_PICTURES_BYTES = 64 * 1024 * 1024
"""Limit of a response that contains the pictures themselves instead of their URLs."""
_WITHDRAW_TIMEOUT_S = 5.0
_WITHDRAWN = frozenset({"OK"})
"""Without CANCELLATION_REQUESTED: running work gets a signal, which it may ignore."""
_NOT_WITHDRAWN = {
    "CANCELLATION_REQUESTED": "; work that has started may run to its end and be charged"
}


class FalAdapter:
    """The adapter for fal: any app, and pictures from a prompt. Implements `Adapter`.

    Args:
        settings: URL, key and timeouts.
        objects: source of input pictures and LoRAs.
        pictures: downloads and stores result pictures.
    """

    queue = TaskQueue.PROVIDER_FAL
    serves = frozenset(
        {
            (ProviderType.FAL_STANDARD, TaskType.GENERATION),
            (ProviderType.FAL_STANDARD, TaskType.EXPERIMENTAL_FAL),
        }
    )

    def __init__(
        self, settings: FalSettings, objects: ObjectStore, pictures: PictureDownloader
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._pictures = pictures
        self._fal = FalQueue(settings)

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Build the request: pictures are sent inline or by URL, LoRAs by URL."""
        needed = needed_objects(work)
        urls = {key: await self._picture_url(key) for key in needed.pictures}
        urls |= {key: self._presigned(key) for key in needed.files}
        call = fal_call(work, urls)
        return lambda: self._submit(call, log)

    async def _submit(self, call: FalCall, log: CallLog) -> Accepted:
        url = submit_url(self._fal.base, call.app_id)
        response = await self._fal.submit(url, call.input, log)
        queued = response.read(Queued) if response.is_success else None
        if queued is None:
            raise submit_error(response)
        return Accepted(
            request_id=queued.request_id,
            handle={"app": call.app_id, **queued.model_dump(exclude={"request_id"})},
        )

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> ProviderResult:
        """Poll until the request has ended, then read and store its result."""
        status = await self._ended(work, log, on_progress)
        try:
            response = await _with_retries(lambda: self._result(work, log))
        except PlatformError as error:
            # The result of a failed request has the best reason; the status is the second best.
            has_reason = error.is_final and not isinstance(error, UnusableResultError)
            if status.error is None or has_reason:
                raise
            raise work_error(status) from error
        if status.error is not None:
            raise work_error(status)
        if work.task_type == TaskType.EXPERIMENTAL_FAL:
            return ProviderResult(await self._fal.in_thread(app_results, response))
        urls = await self._fal.in_thread(picture_urls, response, read_options(work))
        return await self._stored(work, urls, log)

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        """Cancel the request at fal. Work that has started may run on and be charged."""
        url = self._url(work, "cancel_url")
        request_id = work.submission.request_id
        request = FalRequest("PUT", url, request_id, timeout_s=_WITHDRAW_TIMEOUT_S)
        response = await self._fal.send(request, log)
        body = response.read(CancelResponse)
        if body is None and (response.is_success or response.status not in (400, 404, 405, 409)):
            raise poll_error(response)
        status = body.status if body else str(response.status)
        is_withdrawn = response.is_success and status in _WITHDRAWN
        note = "" if is_withdrawn else _NOT_WITHDRAWN.get(status, "; the work was not withdrawn")
        return WithdrawalResult(is_withdrawn, f"fal returned {status} to the cancellation{note}")

    async def close(self) -> None:
        """Close connections."""
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
                status, fraction = await _with_retries(partial(self._status, url, work, log))
            except ResponseTooLargeError as error:  # the app writes too many log lines
                plain = self._url(work, "status_url")
                if url == plain:
                    raise PlatformError(str(error), category=ErrorCategory.NETWORK) from error
                url = plain
                continue
            except PlatformError as error:
                if error.is_final or datetime.now(UTC) < until:
                    raise
                raise _timeout_error(work) from error
            if status.is_done:
                return status
            if datetime.now(UTC) >= until:
                raise _timeout_error(work)
            if fraction is not None:
                on_progress(fraction)
            await asyncio.sleep(interval_s)
            interval_s = min(
                interval_s * _POLL_GROWTH, _POLL_SLOWEST * self._settings.poll_interval_s
            )

    async def _status(
        self, url: str, work: SubmittedWork, log: CallLog
    ) -> tuple[QueueStatus, float | None]:
        """Read the status of a request, and its progress from 0 to 1 by its logs."""
        request = FalRequest("GET", url, work.submission.request_id, is_poll=True)
        response = await self._fal.send(request, log)
        if not response.is_success:
            raise poll_error(response)
        status = await self._fal.in_thread(response.read, QueueStatus)
        if status is None:
            raise poll_error(response)
        return status, await self._fal.in_thread(logged_progress, status.logs)

    async def _result(self, work: SubmittedWork, log: CallLog) -> FalResponse:
        is_app = work.task_type == TaskType.EXPERIMENTAL_FAL
        max_bytes = (is_app and RESULT.max_bytes) or _MAX_PICTURES_BYTES
        url = self._url(work, "response_url")
        request = FalRequest("GET", url, work.submission.request_id, max_bytes=max_bytes)
        try:
            response = await self._fal.send(request, log)
        except ResponseTooLargeError as error:
            raise UnusableResultError(
                f"{error}; let the app return URLs (sync_mode false)"
            ) from error
        if not response.is_success:
            raise result_error(response)
        return response

    async def _stored(self, work: SubmittedWork, urls: list[str], log: CallLog) -> ProviderResult:
        folder = TASK_TYPES[work.task_type].attempt_folder(work.task_id, work.attempt)
        files = [
            await self._pictures.download(url, f"{folder}/image_{index}.png", log)
            for index, url in enumerate(urls)
        ]
        keys = [file.key for file in files]
        return ProviderResult({"result_image_path": keys[0], "result_image_paths": keys}, files)

    def _url(self, work: SubmittedWork, name: str) -> str:
        submission = work.submission
        return request_url(self._fal.base, submission.handle, submission.request_id, name)

    async def _picture_url(self, key: str) -> str:
        info = await self._objects.head(key)
        if info is None:
            raise ObjectNotFoundError(f"there is no object {key!r}")
        if info.size_bytes > self._settings.inline_max_bytes:
            return self._presigned(key)
        return data_url(await self._objects.get(key), info.content_type)

    def _presigned(self, key: str) -> str:
        return self._objects.presigned_url(key, expires_s=self._settings.presign_s)


def _timeout_error(work: SubmittedWork) -> PlatformError:
    return PlatformError(
        f"fal did not complete the work within {work.timeout_s:g} s",
        category=ErrorCategory.TIMEOUT,
        is_final=True,
    )


async def _with_retries(send: Callable[[], Awaitable[_T]]) -> _T:
    """Send a request up to five times, unless the error is final or fal asks for a long wait.

    Raises:
        PlatformError: the error of the last try.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await send()
        except PlatformError as error:
            wait_s = max(_BACKOFF_S * 2 ** (tries - 1), error.retry_after_s or 0)
            is_final = error.is_final or not CONSEQUENCES[error.category].is_retried
            if is_final or tries == _TRIES or wait_s > _LONGEST_WAIT_S:
                raise
        await asyncio.sleep(wait_s)
