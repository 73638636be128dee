"""The adapter for fal: submit, wait, store, withdraw."""

import json
from collections.abc import Callable, Mapping

from provider_worker.adapters import Send
from provider_worker.calls import CallLog
from provider_worker.errors import UnusableResultError
from provider_worker.fal.convert.call import FalCall, NeededObjects
from provider_worker.fal.convert.dispatch import CONVERSIONS, fal_call, needed_objects
from provider_worker.fal.errors import submit_error, work_error
from provider_worker.fal.order import handle_entry, order_of
from provider_worker.fal.queue import QueuedRequest
from provider_worker.fal.response import FalResponse
from provider_worker.fal.storing import FalResults
from provider_worker.fal.urls import submit_url
from provider_worker.fal.wire import Queued, QueueStatus
from provider_worker.media import MediaKeeper
from provider_worker.outcomes import Accepted, ProviderResult, WithdrawalResult
from provider_worker.settings import FalSettings
from provider_worker.source_pictures import PictureReader
from provider_worker.sources import Sources
from provider_worker.wire.http import Access, PaidHttp
from provider_worker.wire.limits import RateLimit
from provider_worker.wire.polling import Pace, poll_until_done, with_retries
from shared.contracts.enums import TaskQueue
from shared.contracts.submissions import RemoteWork, SubmittedWork
from shared.contracts.task_types.table import TASK_TYPES
from shared.errors import PlatformError
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore

_NAME = "fal"
_POLL_GROWTH, _POLL_SLOWEST = 1.05, 10
"""The poll interval grows by this factor, up to ten times the initial interval."""
_MAX_RESULT_BYTES = 64 * 1024 * 1024
"""Limit of a result, which may contain the files themselves instead of their URLs."""
_PICTURE_FIELD = "the picture"


class FalAdapter:
    """The adapter for fal's queue. Implements `Adapter`.

    Args:
        settings: URL, key, timeouts and limits.
        objects: source of input pictures and LoRAs.
        media: stores results.
        limits: limits of input pictures.
    """

    queue = TaskQueue.PROVIDER_FAL

    def __init__(
        self,
        settings: FalSettings,
        objects: ObjectStore,
        media: MediaKeeper,
        limits: PictureLimits,
    ) -> None:
        access = Access.of(
            settings,
            name=_NAME,
            auth={"Authorization": f"Key {settings.key.get_secret_value()}"},
            request_id_header="x-fal-request-id",
        )
        self.serves = frozenset(CONVERSIONS)
        self.submit_timeout_s = settings.submit_timeout_s
        self.submits = RateLimit(settings.submits_per_s, settings.submits_burst)
        requests = RateLimit(settings.requests_per_minute / 60, burst=10)
        self._http = PaidHttp(access, FalResponse, requests=requests)
        self._settings = settings
        self._pace = Pace(settings.poll_interval_s, _POLL_GROWTH, _POLL_SLOWEST)
        self._pictures = PictureReader(objects, limits)
        self._sources = Sources(
            objects, inline_max_bytes=settings.inline_max_bytes, presign_s=settings.presign_s
        )
        self._results = FalResults(self._http, media)

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Build the request: pictures are sent inline or by URL, LoRAs by URL."""
        needed = needed_objects(work)
        urls = {key: await self._sources.picture_url(key) for key in needed.pictures}
        urls |= {key: self._sources.file_url(key) for key in needed.files}
        call = fal_call(
            work,
            urls,
            sizes=await self._sizes(needed),
            garment_app=self._settings.garment_fixer_app,
            shootify_names=self._settings.shootify_fields,
        )
        headers = self._headers(work)
        return lambda: self._submit(call, headers, log)

    async def _sizes(self, needed: NeededObjects) -> dict[str, tuple[int, int]]:
        return {
            key: await self._pictures.read(
                _PICTURE_FIELD, key, lambda picture: (picture.width, picture.height)
            )
            for key in needed.sized
        }

    def _headers(self, work: RemoteWork) -> Mapping[str, str]:
        limit_s = TASK_TYPES[work.task_type].start_to_close.total_seconds()
        lifecycle = {"expiration_duration_seconds": self._settings.expiration_s}
        return {
            "x-app-fal-disable-fallback": "true",  # the record names the model that ran
            "x-fal-object-lifecycle-preference": json.dumps(lifecycle),
            "x-fal-request-timeout": f"{limit_s:.0f}",  # of the wait for its start
        }

    async def _submit(self, call: FalCall, headers: Mapping[str, str], log: CallLog) -> Accepted:
        url = submit_url(self._http.access.origin, call.app_id)
        response = await self._http.submit(url, call.input, log, headers)
        queued = response.read(Queued) if response.is_success else None
        if queued is None:
            raise submit_error(response)
        urls = queued.model_dump(exclude={"request_id"})
        return Accepted(
            request_id=queued.request_id,
            handle={"app": call.app_id, **urls, **handle_entry(call)},
        )

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> ProviderResult:
        """Poll until the request has ended, then read and store its result."""
        request, order = QueuedRequest(self._http, work, log), order_of(work)

        async def ended() -> QueueStatus | None:
            status, fraction = await request.status()
            if fraction is not None and not status.is_done:
                on_progress(fraction)
            return status if status.is_done else None

        status = await poll_until_done(ended, work, pace=self._pace, name=_NAME)
        response = await self._result(request, status)
        return await self._results.store(work, order, response, log)

    async def _result(self, request: QueuedRequest, status: QueueStatus) -> FalResponse:
        try:
            response = await with_retries(lambda: request.result(_MAX_RESULT_BYTES))
        except PlatformError as error:
            # The result of a failed request has the best reason; the status is the second best.
            has_reason = error.is_final and not isinstance(error, UnusableResultError)
            if status.error is None or has_reason:
                raise
            raise work_error(status, error.billed) from error
        if status.error is not None:
            raise work_error(status, request.billed(response))
        return response

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        """Cancel the request at fal. Work that has started may run on and be charged."""
        return await QueuedRequest(self._http, work, log).cancel()

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()
