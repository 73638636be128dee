"""A converter that does what a test tells it to."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from shared.contracts.lora import ConvertedLora, LoraActivities, LoraConversion


async def do_nothing(attempt: int) -> None:
    """The conversion of a worker that is done at once."""


class FakeConverter(LoraActivities):
    """Counts its attempts; `act` runs in each, and decides by what it raises how it ends."""

    def __init__(self, act: Callable[[int], Awaitable[None]] = do_nothing) -> None:
        self.act = act
        self.attempts = 0

    @activity.defn(name="convert_lora")
    async def convert_lora(self, request: LoraConversion) -> ConvertedLora:
        self.attempts += 1
        await self.act(self.attempts)
        return ConvertedLora(key=request.result_key, size_bytes=8)
