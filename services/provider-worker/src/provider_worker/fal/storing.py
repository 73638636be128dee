"""Storing of what fal returns: pictures, a video, or an app's whole response with its files."""

from typing import Any

from provider_worker.calls import CallLog
from provider_worker.fal.convert.call import read_options
from provider_worker.fal.inline_files import InlineFiles
from provider_worker.fal.order import Order
from provider_worker.fal.response import FalResponse
from provider_worker.fal.results import (
    app_results,
    billed_units,
    media_urls,
    picture_urls,
    video_url,
)
from provider_worker.folders import attempt_folder
from provider_worker.media import MediaKeeper
from provider_worker.outcomes import ProviderResult
from provider_worker.picture_results import ReturnedPictures, store_pictures
from provider_worker.wire.http import PaidHttp
from shared.contracts.attempts import StoredFile
from shared.contracts.fal_apps.app import Media
from shared.contracts.json_texts import renamed
from shared.contracts.provenance import FileProvenance
from shared.contracts.submissions import SubmittedWork
from shared.errors import PlatformError

_NAME = "fal"


class FalResults:
    """Converts and stores results.

    Args:
        http: parses large responses in its threads.
        media: stores files.
    """

    def __init__(self, http: PaidHttp[FalResponse], media: MediaKeeper) -> None:
        self._http = http
        self._media = media

    async def store(
        self, work: SubmittedWork, order: Order, response: FalResponse, log: CallLog
    ) -> ProviderResult:
        """Store the result of completed work under the folder of its attempt.

        Raises:
            UnusableResultError: it exceeds our limits.
            PlatformError: it has no result, or a file cannot be fetched. Billed units are in it.
        """
        try:
            match order.output:
                case Media.VIDEO:
                    return await self._video(work, order, response, log)
                case Media.ANYTHING:
                    return await self._anything(work, order, response, log)
                case Media.IMAGES | Media.IMAGE:
                    return await self._pictures(work, order, response, log)
        except PlatformError as error:
            error.billed = tuple(billed_units(response, work.provider_type, order.app_id))
            raise

    async def _pictures(
        self, work: SubmittedWork, order: Order, response: FalResponse, log: CallLog
    ) -> ProviderResult:
        returned = ReturnedPictures(
            _NAME,
            await self._http.in_thread(picture_urls, response, read_options(work)),
            order.provenance,
            order.seed,
            billed_units(response, work.provider_type, order.app_id),
            order.target_size,
        )
        return await store_pictures(self._media, work, returned, log)

    async def _video(
        self, work: SubmittedWork, order: Order, response: FalResponse, log: CallLog
    ) -> ProviderResult:
        url = await self._http.in_thread(video_url, response)
        file = await self._media.video(url, f"{attempt_folder(work)}/video", log)
        results = {"result_video_path": file.key}
        return self._result(work, order, response, results, [file])

    async def _anything(
        self, work: SubmittedWork, order: Order, response: FalResponse, log: CallLog
    ) -> ProviderResult:
        inline = InlineFiles(attempt_folder(work))
        results = await self._http.in_thread(app_results, response, inline)
        sources = inline.sources
        urls = await self._http.in_thread(media_urls, results, sources)
        files = [
            await self._media.any_file(
                sources.get(url, url), f"{attempt_folder(work)}/file_{index}", log
            )
            for index, url in enumerate(urls)
        ]
        if sources:
            paths = {url: file.key for url, file in zip(urls, files, strict=True) if url in sources}
            results = await self._http.in_thread(renamed, results, paths)
        # A field of this name in the app's response gives way: clients read it as paths of ours.
        is_set = bool(files) or "result_paths" in results
        stored = {"result_paths": [file.key for file in files]} if is_set else {}
        return self._result(work, order, response, results | stored, files)

    def _result(
        self,
        work: SubmittedWork,
        order: Order,
        response: FalResponse,
        results: dict[str, Any],
        files: list[StoredFile],
    ) -> ProviderResult:
        seed = order.seed if len(files) == 1 else None
        listed = [FileProvenance(key=file.key, sha256=file.sha256, seed=seed) for file in files]
        return ProviderResult(
            results,
            files,
            billed_units(response, work.provider_type, order.app_id),
            order.provenance.model_copy(update={"files": listed}),
        )
