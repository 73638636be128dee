"""The adapter for FASHN: scale pictures down, submit a try-on, wait, store."""

from collections.abc import Callable
from functools import partial
from typing import Any

from provider_worker.adapters import Send
from provider_worker.calls import CallLog
from provider_worker.fashn.convert import (
    BASE_FIELD,
    GARMENT_FIELD,
    read_options,
    request_body,
    try_on,
)
from provider_worker.fashn.errors import poll_error, submit_error, work_error
from provider_worker.fashn.pictures import fitted
from provider_worker.fashn.response import FashnResponse
from provider_worker.fashn.results import billed_units
from provider_worker.fashn.wire import Prediction, Run
from provider_worker.folders import attempt_folder
from provider_worker.media import MediaKeeper
from provider_worker.outcomes import Accepted, ProviderResult, WithdrawalResult
from provider_worker.picture_results import ReturnedPictures, store_pictures
from provider_worker.settings import FashnSettings
from provider_worker.source_pictures import PictureReader
from provider_worker.sources import Sources, data_url
from provider_worker.wire.http import Access, Ask, PaidHttp
from provider_worker.wire.limits import RateLimit
from provider_worker.wire.polling import Pace, poll_until_done
from shared.contracts.enums import ProviderType, TaskQueue, TaskType
from shared.contracts.submissions import RemoteWork, SubmittedWork
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore

_NAME = "FASHN"


class FashnAdapter:
    """The adapter for FASHN's try-on. Implements `Adapter`.

    Args:
        settings: URL, key, timeouts and limits.
        objects: source of input pictures.
        media: stores result pictures.
        limits: limits of input pictures.
    """

    queue = TaskQueue.PROVIDER_FASHN
    serves = frozenset({(ProviderType.FASHN_STANDARD, TaskType.EDITING)})

    def __init__(
        self,
        settings: FashnSettings,
        objects: ObjectStore,
        media: MediaKeeper,
        limits: PictureLimits,
    ) -> None:
        key = settings.key.get_secret_value()
        access = Access.of(settings, name=_NAME, auth={"Authorization": f"Bearer {key}"})
        self.submit_timeout_s = settings.submit_timeout_s
        self.submits = RateLimit(settings.submits_per_s, settings.submits_burst)
        requests = RateLimit(settings.requests_per_minute / 60, burst=10)
        self._http = PaidHttp(access, FashnResponse, requests=requests)
        self._settings = settings
        self._objects = objects
        self._pictures = PictureReader(objects, limits)
        self._sources = Sources(
            objects, inline_max_bytes=settings.inline_max_bytes, presign_s=settings.presign_s
        )
        self._media = media

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Build the request; pictures that are too tall are scaled down."""
        wanted, max_height = try_on(work), read_options(work).max_image_height
        person = await self._picture_url(work, BASE_FIELD, wanted.person, max_height)
        garment = await self._picture_url(work, GARMENT_FIELD, wanted.garment, max_height)
        body = request_body(wanted, person, garment)
        return lambda: self._submit(body, log)

    async def _picture_url(self, work: RemoteWork, field: str, key: str, max_height: int) -> str:
        """Return a picture as a data URL, or by a presigned URL if it is large.

        A large picture that was scaled down is stored beside the results of the attempt.
        """
        fit = partial(fitted, max_height=max_height)
        content, content_type, is_scaled = await self._pictures.read(field, key, fit)
        if len(content) <= self._settings.inline_max_bytes:
            return data_url(content, content_type)
        if is_scaled:
            folder = attempt_folder(work)
            key = f"{folder}/sent_{field}.{content_type.removeprefix('image/')}"
            await self._objects.put(key, content, content_type)
        return self._sources.file_url(key)

    async def _submit(self, body: dict[str, Any], log: CallLog) -> Accepted:
        response = await self._http.submit(f"{self._http.access.origin}/v1/run", body, log)
        run = response.read(Run) if response.is_success else None
        if run is None:
            raise submit_error(response)
        return Accepted(request_id=run.id, handle={})

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> ProviderResult:
        """Poll until the work has ended, and store its pictures. FASHN reports no progress."""
        options = read_options(work)

        async def ended() -> tuple[Prediction, FashnResponse] | None:
            response = await self._status(work, log)
            prediction = response.read(Prediction) if response.is_success else None
            if prediction is None:
                raise poll_error(response)
            return (prediction, response) if prediction.is_done else None

        longest_s = self._settings.max_wait_s
        prediction, response = await poll_until_done(
            ended,
            work,
            pace=Pace(options.poll_interval),
            name=_NAME,
            timeout_s=min(options.max_wait_seconds or longest_s, longest_s, work.timeout_s),
        )
        billed = billed_units(response)
        if prediction.status != "completed":
            raise work_error(prediction, billed)
        wanted = try_on(work)
        urls = prediction.output or []
        returned = ReturnedPictures(_NAME, urls, wanted.provenance, wanted.seed, billed)
        return await store_pictures(self._media, work, returned, log)

    async def _status(self, work: SubmittedWork, log: CallLog) -> FashnResponse:
        request_id = work.submission.request_id
        url = f"{self._http.access.origin}/v1/status/{request_id}"
        return await self._http.ask(Ask("GET", url, request_id, is_poll=True), log)

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        """Return that FASHN's API has no cancellation."""
        message = "work at FASHN cannot be cancelled: it runs to its end and is charged"
        return WithdrawalResult(is_withdrawn=False, message=message)

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()
