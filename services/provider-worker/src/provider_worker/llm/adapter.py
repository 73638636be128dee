"""The adapter of LLM_INTERACTION at four vendors: read pictures, ask, store the reply."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from provider_worker.adapters import Send
from provider_worker.calls import CallLog
from provider_worker.llm.chat import Picture, Reply
from provider_worker.llm.chats import Chats, billed_tokens
from provider_worker.llm.convert import PICTURES_FIELD, Interaction, interaction
from provider_worker.llm.pictures import scaled
from provider_worker.llm.results import reply_results
from provider_worker.llm.settings import LlmSettings
from provider_worker.outcomes import Accepted, ProviderResult, WithdrawalResult
from provider_worker.source_pictures import PictureReader
from provider_worker.wire.limits import RateLimit
from shared.contracts.enums import ProviderType, TaskQueue, TaskType
from shared.contracts.provenance import Provenance
from shared.contracts.submissions import RemoteWork, SubmittedWork
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore


class AiCoreAdapter:
    """The adapter of language models. Implements `Adapter`.

    Args:
        settings: of the vendors.
        objects: source of input pictures, and of stored responses.
        limits: limits of input pictures.
    """

    queue = TaskQueue.PROVIDER_LLM
    serves = frozenset({(ProviderType.AI_CORE, TaskType.LLM_INTERACTION)})

    def __init__(self, settings: LlmSettings, objects: ObjectStore, limits: PictureLimits) -> None:
        self.submit_timeout_s = settings.longest_timeout_s
        self.submits = RateLimit(settings.submits_per_s, settings.submits_burst)
        self.chats = Chats(settings)
        self._settings = settings
        self._objects = objects
        self._pictures = PictureReader(objects, limits)

    async def prepare(self, work: RemoteWork, log: CallLog) -> Send:
        """Read the pictures; a vendor without credentials is waited for."""
        wanted = self._interaction(work)
        self.chats.at_once(wanted.vendor)
        pictures = await asyncio.gather(*(self._picture(key) for key in wanted.pictures))
        chat = replace(wanted.chat, pictures=pictures)

        async def send() -> Accepted:
            return await self.chats.send(wanted.vendor, chat, log)

        return send

    async def _picture(self, key: str) -> Picture:
        return await self._pictures.read(PICTURES_FIELD, key, lambda each: scaled(each.content))

    async def wait(
        self, work: SubmittedWork, log: CallLog, on_progress: Callable[[float], None]
    ) -> ProviderResult:
        """Read the reply from the stored response; nothing is sent."""
        wanted = self._interaction(work)
        at_once = self.chats.at_once(wanted.vendor)
        response, received = await at_once.result(self._objects, work)
        reply = await self.chats.read(wanted.vendor, wanted.chat, response, received)
        billed = billed_tokens(reply.input_tokens, reply.output_tokens)
        results = await asyncio.to_thread(
            reply_results,
            reply.text,
            reply.json,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            billed=billed,
        )
        return ProviderResult(results, billed=billed, provenance=_provenance(wanted, reply))

    def _interaction(self, work: RemoteWork) -> Interaction:
        return interaction(work, self._settings.max_tokens)

    async def withdraw(self, work: SubmittedWork, log: CallLog) -> WithdrawalResult:
        """Return that the reply is there and charged."""
        return self.chats.at_once(self._interaction(work).vendor).withdrawal()

    async def close(self) -> None:
        """Close connections."""
        await self.chats.close()


def _provenance(wanted: Interaction, reply: Reply) -> Provenance:
    ignored = [f"provider_config.{name}" for name in reply.ignored]
    return Provenance(engine=wanted.vendor, model=reply.model, ignored=ignored)
