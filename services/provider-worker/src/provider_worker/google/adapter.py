"""The adapter for Gemini: one request whose response is the result, read from the store."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from provider_worker.adapters import Send
from provider_worker.calls import CallLog
from provider_worker.google.client import GeminiClient, GeminiRequest
from provider_worker.google.convert import Defaults, GeminiWork, gemini_work
from provider_worker.google.errors import ERRORS, NAME
from provider_worker.google.pictures import byte_limit, fitted
from provider_worker.google.response import GeminiResponse
from provider_worker.google.results import (
    billed_units,
    check_result,
    pictures_of,
    read_generated,
    shape_warnings,
)
from provider_worker.google.texts import text_results
from provider_worker.google.wire import Generated
from provider_worker.llm.pictures import scaled
from provider_worker.media import MediaKeeper
from provider_worker.outcomes import Accepted, ProviderResult, WithdrawalResult
from provider_worker.picture_results import ReturnedPictures, store_pictures
from provider_worker.settings import VertexSettings
from provider_worker.source_pictures import PictureReader
from provider_worker.wire.at_once import AtOnce
from provider_worker.wire.limits import RateLimit
from shared.contracts.enums import ProviderType, TaskQueue
from shared.contracts.providers import PROVIDERS
from shared.contracts.service_requests import BilledUnits
from shared.contracts.submissions import RemoteWork, SubmittedWork
from shared.errors import ObjectNotFoundError, PlatformError
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore

_LARGEST_TEXTS = 1_000_000
_BASE64 = 4 / 3


class VertexAdapter:
    """The adapter for Gemini's models. Implements `Adapter`.

    Args:
        settings: access, models, timeouts and limits.
        objects: source of input pictures, and of stored responses.
        media: stores result pictures.
        limits: limits of input pictures.
    """

    queue = TaskQueue.PROVIDER_VERTEX
    serves = frozenset(
        (ProviderType.VERTEX, task_type) for task_type in PROVIDERS[ProviderType.VERTEX].queues
    )

    def __init__(
        self,
        settings: VertexSettings,
        objects: ObjectStore,
        media: MediaKeeper,
        limits: PictureLimits,
    ) -> None:
        self.submit_timeout_s = settings.submit_timeout_s
        self.submits = RateLimit(settings.submits_per_s, settings.submits_burst)
        self._settings = settings
        self._defaults = Defaults(
            image_model=settings.image_model,
            text_model=settings.text_model,
            system_instructions=settings.system_instructions,
            max_output_tokens=settings.max_output_tokens,
        )
        self._client = GeminiClient(settings)
        self._at_once = AtOnce(
            name=NAME,
            key=settings.key.get_secret_value(),
            timeout_s=settings.submit_timeout_s,
            response=GeminiResponse,
            errors=ERRORS,
            request_id=lambda response: response.field("responseId")[:200],
        )
        self._objects = objects
        self._pictures = PictureReader(objects, limits)
        self._media = media

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Build the request, with pictures that fit into it, and fetch a token if it needs one."""
        wanted = gemini_work(work, self._defaults)
        settings = self._settings
        has_picture = wanted.wants_picture
        request = GeminiRequest(
            model=wanted.model,
            prompt=wanted.prompt,
            pictures=await self._read(wanted),
            config=wanted.config,
            timeout_s=settings.submit_timeout_s if has_picture else settings.text_timeout_s,
        )
        secret = await self._client.secret()
        return lambda: self._submit(request, secret, log)

    async def _read(self, wanted: GeminiWork) -> tuple[tuple[bytes, str], ...]:
        """Return the contents and types of the pictures, together within the request's limit."""
        heads = [await self._objects.head(key) for _, key in wanted.pictures]
        for (field, key), head in zip(wanted.pictures, heads, strict=True):
            if head is None:
                raise ObjectNotFoundError(f"{field}: there is no object {key!r}")
        if not wanted.wants_picture:
            return tuple(
                [
                    await self._pictures.read(field, key, lambda each: scaled(each.content))
                    for field, key in wanted.pictures
                ]
            )
        budget = int((self._settings.request_max_bytes - _LARGEST_TEXTS) / _BASE64)
        fit = partial(fitted, max_bytes=byte_limit([h.size_bytes for h in heads if h], budget))
        return tuple([await self._pictures.read(field, key, fit) for field, key in wanted.pictures])

    async def _submit(self, request: GeminiRequest, secret: str, log: CallLog) -> Accepted:
        at_once = replace(self._at_once, key=secret, timeout_s=request.timeout_s)
        return await at_once.send(lambda: self._client.generate(request), log)

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> ProviderResult:
        """Convert the stored response, and store its pictures."""
        wanted = gemini_work(work, self._defaults)
        response, _ = await self._at_once.result(self._objects, work)
        generated = await asyncio.to_thread(read_generated, response)
        billed = billed_units(generated, work.provider_type)
        check_result(generated, wanted, billed)
        if not wanted.wants_picture:
            return text_results(generated, wanted, billed)
        return await self._stored(work, wanted, generated, billed, log)

    async def _stored(
        self,
        work: SubmittedWork,
        wanted: GeminiWork,
        generated: Generated,
        billed: list[BilledUnits],
        log: CallLog,
    ) -> ProviderResult:
        try:
            pictures = await asyncio.to_thread(pictures_of, generated)
        except PlatformError as error:
            error.billed = tuple(billed)
            raise
        returned = ReturnedPictures(NAME, pictures, wanted.provenance, wanted.seed, billed)
        result = await store_pictures(self._media, work, returned, log)
        warnings = await asyncio.to_thread(shape_warnings, wanted, pictures)
        return replace(result, warnings=warnings)

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        """Return that the work is done, and what it cost."""
        withdrawal = self._at_once.withdrawal()
        try:
            response, _ = await self._at_once.result(self._objects, work)
            generated = await asyncio.to_thread(read_generated, response)
        except PlatformError:  # then the tokens are not known
            return withdrawal
        return replace(withdrawal, billed=billed_units(generated, work.provider_type))

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()
