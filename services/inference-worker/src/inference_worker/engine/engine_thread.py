"""The engine on its one thread, as coroutines call it."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from shared.cancellation import CancelFlag
from shared.contracts.editing import EditingInputs
from shared.contracts.generation import GenerationInputs
from shared.flux.engine import Edit, EngineFacts, ImageEngine, LoraUse, StepCallback
from shared.in_thread import run_in_thread

_T = TypeVar("_T")


@dataclass(frozen=True)
class EngineResult:
    """Pictures, and the engine's facts when it generated them."""

    pictures: list[Image.Image]
    facts: EngineFacts


class EngineThread:
    """Runs the engine's calls one after the other, off the event loop.

    Cancelling a call sets its flag, waits until the engine has stopped (one denoise step at most)
    and then raises `asyncio.CancelledError`: no work goes on for a cancelled attempt.

    Args:
        engine: the model.
        executor: a pool of one thread; nothing else runs on it.
    """

    def __init__(self, engine: ImageEngine, executor: Executor) -> None:
        self.engine = engine
        self._executor = executor

    async def generate(
        self,
        inputs: GenerationInputs,
        reference: Image.Image | None,
        loras: Sequence[LoraUse],
        on_step: StepCallback,
    ) -> EngineResult:
        """Generate the pictures of a GENERATION."""
        return await self._call(
            lambda cancel: EngineResult(
                self.engine.generate(inputs, reference, loras, on_step=on_step, cancel=cancel),
                self.engine.facts(inputs),
            )
        )

    async def instruct(
        self,
        inputs: EditingInputs,
        base: Image.Image,
        references: Sequence[Image.Image],
        on_step: StepCallback,
    ) -> EngineResult:
        """Change a picture as a prompt says."""
        return await self._call(
            lambda cancel: EngineResult(
                self.engine.instruct(inputs, base, references, on_step=on_step, cancel=cancel),
                self.engine.facts(inputs),
            )
        )

    async def edit(
        self, images: Sequence[Image.Image], edits: Sequence[Edit], on_step: StepCallback
    ) -> list[Image.Image]:
        """Edit one picture, or as many as the engine takes at once."""
        return await self._call(
            lambda cancel: self.engine.edit(images, edits, on_step=on_step, cancel=cancel)
        )

    async def _call(self, work: Callable[[CancelFlag], _T]) -> _T:
        return await run_in_thread(self._executor, work)
