"""The adapter for fal: submit, wait, store, withdraw."""

from collections.abc import Callable

from provider_worker.adapters import Accepted, ProviderResult, Send, WithdrawalResult
from provider_worker.calls import CallLog
from provider_worker.errors import UnusableResultError
from provider_worker.fal.convert import FalCall, fal_call, needed_objects, read_options
from provider_worker.fal.errors import submit_error, work_error
from provider_worker.fal.queue import QueuedRequest
from provider_worker.fal.response import FalResponse
from provider_worker.fal.results import app_results, picture_urls
from provider_worker.fal.urls import submit_url
from provider_worker.fal.wire import Queued, QueueStatus
from provider_worker.media import MediaKeeper
from provider_worker.settings import FalSettings
from provider_worker.sources import Sources
from provider_worker.wire.http import Access, PaidHttp
from provider_worker.wire.limits import RateLimit
from provider_worker.wire.polling import Pace, poll_until_done, with_retries
from shared.contracts.enums import ProviderType, TaskQueue, TaskType
from shared.contracts.submissions import RemoteWork, SubmittedWork
from shared.contracts.task_types.table import TASK_TYPES
from shared.contracts.untrusted import RESULT
from shared.errors import PlatformError
from shared.storage.object_store import ObjectStore

_NAME = "fal"
_POLL_GROWTH, _POLL_SLOWEST = 1.1, 10
"""The poll interval grows by this factor, up to ten times the initial interval."""
_MAX_PICTURES_BYTES = 64 * 1024 * 1024
"""Limit of a response that contains the pictures themselves instead of their URLs."""


class FalAdapter:
    """The adapter for fal's queue. Implements `Adapter`.

    Args:
        settings: URL, key, timeouts and limits.
        objects: source of input pictures and LoRAs.
        media: stores results.
    """

    queue = TaskQueue.PROVIDER_FAL
    serves = frozenset(
        {
            (ProviderType.FAL_STANDARD, TaskType.GENERATION),
            (ProviderType.FAL_STANDARD, TaskType.EXPERIMENTAL_FAL),
        }
    )

    def __init__(self, settings: FalSettings, objects: ObjectStore, media: MediaKeeper) -> None:
        key = settings.key.get_secret_value()
        access = Access.of(
            settings,
            name=_NAME,
            auth={"Authorization": f"Key {key}"},
            request_id_header="x-fal-request-id",
        )
        self.submits = RateLimit(settings.submits_per_s, settings.submits_burst)
        requests = RateLimit(settings.requests_per_minute / 60, burst=10)
        self._http = PaidHttp(access, FalResponse, requests=requests)
        self._pace = Pace(settings.poll_interval_s, _POLL_GROWTH, _POLL_SLOWEST)
        self._media = media
        self._sources = Sources(
            objects, inline_max_bytes=settings.inline_max_bytes, presign_s=settings.presign_s
        )

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Build the request: pictures are sent inline or by URL, LoRAs by URL."""
        needed = needed_objects(work)
        urls = {key: await self._sources.picture_url(key) for key in needed.pictures}
        urls |= {key: self._sources.file_url(key) for key in needed.files}
        call = fal_call(work, urls)
        return lambda: self._submit(call, log)

    async def _submit(self, call: FalCall, log: CallLog) -> Accepted:
        url = submit_url(self._http.access.origin, call.app_id)
        response = await self._http.submit(url, call.input, log)
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
        request = QueuedRequest(self._http, work.submission, log)

        async def ended() -> QueueStatus | None:
            status, fraction = await request.status()
            if fraction is not None and not status.is_done:
                on_progress(fraction)
            return status if status.is_done else None

        status = await poll_until_done(ended, work, pace=self._pace, name=_NAME)
        response = await self._result(request, status, _max_bytes(work.task_type))
        if work.task_type == TaskType.EXPERIMENTAL_FAL:
            return ProviderResult(await self._http.in_thread(app_results, response))
        urls = await self._http.in_thread(picture_urls, response, read_options(work))
        return await self._stored(work, urls, log)

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        """Cancel the request at fal. Work that has started may run on and be charged."""
        return await QueuedRequest(self._http, work.submission, log).cancel()

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()

    async def _result(
        self, request: QueuedRequest, status: QueueStatus, max_bytes: int
    ) -> FalResponse:
        try:
            response = await with_retries(lambda: request.result(max_bytes))
        except PlatformError as error:
            # The result of a failed request has the best reason; the status is the second best.
            has_reason = error.is_final and not isinstance(error, UnusableResultError)
            if status.error is None or has_reason:
                raise
            raise work_error(status) from error
        if status.error is not None:
            raise work_error(status)
        return response

    async def _stored(self, work: SubmittedWork, urls: list[str], log: CallLog) -> ProviderResult:
        folder = TASK_TYPES[work.task_type].attempt_folder(work.task_id, work.attempt)
        files = [
            await self._media.picture(url, f"{folder}/image_{index}.png", log)
            for index, url in enumerate(urls)
        ]
        keys = [file.key for file in files]
        return ProviderResult({"result_image_path": keys[0], "result_image_paths": keys}, files)


def _max_bytes(task_type: TaskType) -> int:
    is_app = task_type == TaskType.EXPERIMENTAL_FAL
    return (is_app and RESULT.max_bytes) or _MAX_PICTURES_BYTES
