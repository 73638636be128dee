"""A LoRA converter that a test controls."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from shared.contracts.lora import ConvertedLora, LoraActivities, LoraConversion


async def do_nothing(attempt: int) -> None:
    """Return at once, like a fast worker."""


class FakeConverter(LoraActivities):
    """A converter that counts its attempts; `act` runs in each, and fails it by raising."""

    def __init__(self, act: Callable[[int], Awaitable[None]] = do_nothing) -> None:
        self.act = act
        self.attempts = 0

    @activity.defn(name="convert_lora")
    async def convert_lora(self, request: LoraConversion) -> ConvertedLora:
        self.attempts += 1
        await self.act(self.attempts)
        return ConvertedLora(key=request.result_key, size_bytes=8)
