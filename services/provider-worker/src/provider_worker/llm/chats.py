"""Chats with the vendors' models: sent once through the gate, read from the stored response."""

import asyncio
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog
from pydantic_ai.exceptions import ModelRequestRejectedError, UserError

from provider_worker.calls import CallLog
from provider_worker.llm.chat import Chat, OutputSchema, Reply
from provider_worker.llm.errors import NAMES, errors_of
from provider_worker.llm.outcome import is_unfinished, reply_of, unfinished, unreadable
from provider_worker.llm.request import ask, ignored
from provider_worker.llm.response import ChatResponse
from provider_worker.llm.settings import LlmSettings
from provider_worker.llm.vendors import (
    Client,
    anthropic_client,
    gemini_client,
    ollama_client,
    openai_client,
)
from provider_worker.outcomes import Accepted
from provider_worker.wire.at_once import AtOnce
from provider_worker.wire.once import Received, replayed
from shared.contracts.enums import AiProvider, ProviderType
from shared.contracts.service_requests import BilledUnits
from shared.errors import InvalidInputError, PlatformError, UnservedError
from shared.uninterrupted import uninterrupted

__all__ = ["Chat", "Chats", "OutputSchema", "Reply"]

_log = structlog.stdlib.get_logger(__name__)
_LARGEST_RESPONSE = 16 * 1024 * 1024


@dataclass(frozen=True)
class _Vendor:
    client: Client
    at_once: AtOnce[ChatResponse]


class Chats:
    """The vendors that have credentials.

    Args:
        settings: of all four vendors.
    """

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings
        self._vendors: Mapping[AiProvider, _Vendor] = dict(_opened(settings))
        for vendor in self._vendors.values():
            vendor.client.model("any")  # the first one reads tables, which takes a second

    @property
    def served(self) -> list[AiProvider]:
        """The vendors with credentials."""
        return list(self._vendors)

    def serves(self, ai_provider: AiProvider) -> bool:
        """Return true if a vendor has credentials."""
        return ai_provider in self._vendors

    def default_model(self, ai_provider: AiProvider) -> str:
        """Return the model of the platform's own questions."""
        return {
            AiProvider.OPENAI: self._settings.openai,
            AiProvider.ANTHROPIC: self._settings.anthropic,
            AiProvider.GEMINI: self._settings.gemini,
            AiProvider.OLLAMA: self._settings.ollama,
        }[ai_provider].model

    def at_once(self, ai_provider: AiProvider) -> AtOnce[ChatResponse]:
        """Return the requests of a vendor, to read a stored response.

        Raises:
            UnservedError: the vendor has no credentials.
        """
        return self._vendor(ai_provider).at_once

    async def send(
        self, ai_provider: AiProvider, chat: Chat, log: CallLog, *, timeout_s: float | None = None
    ) -> Accepted:
        """Send a chat, once, and return the whole response. It is paid for.

        Args:
            ai_provider: the vendor.
            chat: the question.
            log: receives the request.
            timeout_s: limit of the request, below the vendor's own.

        Raises:
            UnservedError: the vendor has no credentials.
            SubmissionUnknownError: it was sent, and there was no complete or readable response.
            PlatformError: nothing was sent, or the vendor refused it.
        """
        vendor = self._vendor(ai_provider)

        async def call() -> object:
            try:
                return await ask(vendor.client.model(chat.model), chat)
            except (ModelRequestRejectedError, UserError) as error:
                # Of no consequence if a response has come.
                raise InvalidInputError(f"the request cannot be made: {error}") from error

        at_once = vendor.at_once
        if timeout_s is not None:
            at_once = replace(at_once, timeout_s=min(timeout_s, at_once.timeout_s))
        return await at_once.send(call, log)

    async def read(
        self, ai_provider: AiProvider, chat: Chat, response: ChatResponse, received: Received
    ) -> Reply:
        """Read a reply from a stored response; nothing is sent.

        Args:
            ai_provider: the vendor.
            chat: the same as was sent; its pictures may be left out.
            response: as `AtOnce.result` or `AtOnce.loaded` returns it.
            received: likewise.

        Raises:
            UnservedError: the vendor has no credentials.
            PlatformError: there is no reply, or it does not follow the schema. It is final, since
                the same response is read again, and has the tokens that were billed.
        """
        vendor, name = self._vendor(ai_provider), NAMES[ai_provider]
        model, seen = vendor.client.model(chat.model), replace(chat, pictures=())
        if is_unfinished(response):
            raise unfinished(name, chat)
        with replayed(received):
            try:
                found = await ask(model, seen)
            except Exception as error:  # noqa: BLE001 -- any client's
                raise _unreadable(name, error) from None  # its text quotes the response
        try:
            return await asyncio.to_thread(
                reply_of, name, chat, response, found, ignored(model, seen)
            )
        except PlatformError as error:
            usage = found.usage
            error.billed = tuple(billed_tokens(usage.input_tokens, usage.output_tokens))
            raise
        except Exception as error:  # noqa: BLE001 -- the clients check no types
            raise _unreadable(name, error) from None

    async def ask(
        self, ai_provider: AiProvider, chat: Chat, log: CallLog, *, timeout_s: float | None = None
    ) -> Reply:
        """Send a chat, once, and return the reply, without keeping the response.

        A cancellation waits for the response, because a reply that is lost is paid for and lost.

        Args:
            ai_provider: the vendor.
            chat: the question.
            log: receives the request.
            timeout_s: limit of the request, below the vendor's own.

        Raises:
            PlatformError: as from `send` and `read`.
        """
        return await uninterrupted(self._asked(ai_provider, chat, log, timeout_s))

    async def _asked(
        self, ai_provider: AiProvider, chat: Chat, log: CallLog, timeout_s: float | None
    ) -> Reply:
        accepted = await self.send(ai_provider, chat, log, timeout_s=timeout_s)
        assert accepted.response is not None
        response, received = await self.at_once(ai_provider).loaded(accepted.response)
        return await self.read(ai_provider, chat, response, received)

    async def close(self) -> None:
        """Close connections."""
        for vendor in self._vendors.values():
            await vendor.client.transport.aclose()

    def _vendor(self, ai_provider: AiProvider) -> _Vendor:
        vendor = self._vendors.get(ai_provider)
        if vendor is None:
            raise UnservedError(f"no worker here has credentials for {NAMES[ai_provider]} yet")
        return vendor


def billed_tokens(input_tokens: int, output_tokens: int) -> list[BilledUnits]:
    """Return the tokens that a vendor charged."""
    amounts = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return [
        BilledUnits(provider=ProviderType.AI_CORE, unit=unit, amount=amount)
        for unit, amount in amounts.items()
    ]


def _unreadable(name: str, error: Exception) -> PlatformError:
    trace = traceback.format_tb(error.__traceback__)
    _log.warning("response_not_readable", vendor=name, error=type(error).__name__, trace=trace)
    return unreadable(name)


def _opened(settings: LlmSettings) -> list[tuple[AiProvider, _Vendor]]:
    found = [
        (AiProvider.OPENAI, settings.openai, lambda: openai_client(settings.openai)),
        (AiProvider.ANTHROPIC, settings.anthropic, lambda: anthropic_client(settings.anthropic)),
        (AiProvider.GEMINI, settings.gemini, lambda: gemini_client(settings.gemini)),
        (AiProvider.OLLAMA, settings.ollama, lambda: ollama_client(settings.ollama)),
    ]
    return [
        (
            name,
            _Vendor(
                client(),
                AtOnce(
                    name=NAMES[name],
                    key=access.key.get_secret_value(),
                    timeout_s=access.timeout_s,
                    response=ChatResponse,
                    errors=errors_of(name),
                    request_id=lambda response: response.reply_id,
                    max_bytes=_LARGEST_RESPONSE,
                ),
            ),
        )
        for name, access, client in found
        if access.is_configured
    ]
