"""The adapter for Magnific's creative and precision upscalers: submit, wait, store."""

import base64
from collections.abc import Callable
from typing import Any

from provider_worker.adapters import Send
from provider_worker.calls import CallLog
from provider_worker.magnific.convert import (
    PICTURE_FIELD,
    Upscale,
    endpoint_of,
    upscale,
)
from provider_worker.magnific.errors import poll_error, submit_error, work_error
from provider_worker.magnific.response import MagnificResponse
from provider_worker.magnific.wire import Created, Upscaling
from provider_worker.media import MediaKeeper
from provider_worker.outcomes import Accepted, ProviderResult, WithdrawalResult
from provider_worker.picture_results import ReturnedPictures, store_pictures
from provider_worker.settings import MagnificSettings
from provider_worker.source_pictures import PictureReader, SourcePicture
from provider_worker.sources import Sources
from provider_worker.wire.http import Access, Ask, PaidHttp
from provider_worker.wire.limits import RateLimit
from provider_worker.wire.polling import Pace, poll_until_done
from shared.contracts.enums import ProviderType, TaskQueue, TaskType
from shared.contracts.provenance import Provenance
from shared.contracts.submissions import RemoteWork, SubmittedWork
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore

_NAME = "Magnific"
_PROVENANCE = "provenance"
"""Entry of the handle: the size of the picture is known when it is sent."""


class MagnificAdapter:
    """The adapter for Magnific. Implements `Adapter`.

    Args:
        settings: URL, key, timeouts and limits.
        objects: source of input pictures.
        media: stores result pictures.
        limits: limits of input pictures.
    """

    queue = TaskQueue.PROVIDER_FREEPIK
    serves = frozenset(
        {
            (ProviderType.FREEPIK_MAGNIFIC, TaskType.REFINE),
            (ProviderType.FREEPIK_MAGNIFIC_PRECISION, TaskType.REFINE),
        }
    )

    def __init__(
        self,
        settings: MagnificSettings,
        objects: ObjectStore,
        media: MediaKeeper,
        limits: PictureLimits,
    ) -> None:
        auth = {settings.key_header: settings.key.get_secret_value()}
        # Evenly spaced: a burst would exceed the limit of a minute that begins with it.
        requests = RateLimit(settings.requests_per_minute / 60)
        self.submit_timeout_s = settings.submit_timeout_s
        self.submits = RateLimit(settings.submits_per_s, settings.submits_burst, within=requests)
        access = Access.of(settings, name=_NAME, auth=auth)
        self._http = PaidHttp(access, MagnificResponse, requests=requests)
        self._settings = settings
        self._pace = Pace(settings.poll_interval_s)
        self._pictures = PictureReader(objects, limits)
        self._sources = Sources(
            objects, inline_max_bytes=settings.inline_max_bytes, presign_s=settings.presign_s
        )
        self._media = media

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Build the request, after checking the sizes of the picture and of the result."""
        wanted = upscale(work, self._settings.flavor)

        def read(picture: SourcePicture) -> tuple[str, Provenance]:
            wanted.check(picture.width, picture.height)
            image = self._image(wanted, picture)
            return image, wanted.provenance(picture.width, picture.height)

        image, provenance = await self._pictures.read(PICTURE_FIELD, wanted.picture, read)
        body = {"image": image, **wanted.fields}
        handle = {_PROVENANCE: provenance.model_dump(mode="json", exclude_defaults=True)}
        return lambda: self._submit(wanted.endpoint, body, handle, log)

    def _image(self, wanted: Upscale, picture: SourcePicture) -> str:
        """Return a picture in base64; a large one as a presigned URL if the upscaler takes it."""
        is_large = len(picture.content) > self._settings.inline_max_bytes
        if is_large and not wanted.is_creative:
            return self._sources.file_url(wanted.picture)
        return base64.b64encode(picture.content).decode()

    async def _submit(
        self, endpoint: str, body: dict[str, Any], handle: dict[str, Any], log: CallLog
    ) -> Accepted:
        response = await self._http.submit(self._url(endpoint), body, log)
        created = response.unwrapped(Created) if response.is_success else None
        if created is None:
            raise submit_error(response)
        return Accepted(request_id=created.task_id, handle=handle)

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> ProviderResult:
        """Poll until the work has ended, and store its picture. Magnific reports no progress."""

        async def ended() -> tuple[Upscaling, MagnificResponse] | None:
            response = await self._status(work, log)
            upscaling = response.unwrapped(Upscaling) if response.is_success else None
            if upscaling is None:
                raise poll_error(response)
            return (upscaling, response) if upscaling.is_done else None

        upscaling, response = await poll_until_done(ended, work, pace=self._pace, name=_NAME)
        if upscaling.status == "FAILED":
            raise work_error(response)
        provenance = Provenance.model_validate(work.submission.handle[_PROVENANCE])
        returned = ReturnedPictures(_NAME, upscaling.generated or [], provenance)
        return await store_pictures(self._media, work, returned, log)

    async def _status(self, work: SubmittedWork, log: CallLog) -> MagnificResponse:
        request_id = work.submission.request_id
        url = f"{self._url(endpoint_of(work.provider_type))}/{request_id}"
        return await self._http.ask(Ask("GET", url, request_id, is_poll=True), log)

    def _url(self, endpoint: str) -> str:
        return f"{self._http.access.origin}/v1/ai/{endpoint}"

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        """Return that Magnific's API has no cancellation."""
        message = "work at Magnific cannot be cancelled: it runs to its end and is charged"
        return WithdrawalResult(is_withdrawn=False, message=message)

    async def close(self) -> None:
        """Close connections."""
        await self._http.close()
