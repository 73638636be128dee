"""What edits a part of a picture: the local model by strength, or by instruction.

Other editors, such as a provider's, take the same place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from PIL import Image

from inference_worker.engine.engine_thread import EngineThread
from inference_worker.settings import EditorKind
from shared.contracts.editing import EditingConfig, EditingInputs
from shared.contracts.refinement import RefineInputs
from shared.flux.engine import Edit, EngineFacts, StepCallback


class ImageEditor(Protocol):
    """Edits pictures, one prompt for all."""

    @property
    def side_px(self) -> int:
        """The largest longer side of a picture given to `edit`."""
        ...

    @property
    def multiple_of(self) -> int:
        """Both sides of a picture given to `edit` are multiples of this."""
        ...

    @property
    def batch(self) -> int:
        """Pictures that it is best given at a time."""
        ...

    @property
    def facts(self) -> EngineFacts:
        """How it edits, for the record."""
        ...

    async def edit(
        self, pictures: Sequence[Image.Image], seeds: Sequence[int], on_step: StepCallback
    ) -> list[Image.Image]:
        """Edit RGB pictures of one size; the answers have it too.

        Args:
            pictures: `batch` of them, or fewer.
            seeds: one for each.
            on_step: hears of the steps of all.
        """
        ...


@dataclass(frozen=True)
class EditRequest:
    """What an edit is to do.

    Attributes:
        prompt: what the picture shows.
        instruction: what is to be done to it, for editors that follow instructions.
        strength: how far the others may leave the picture, 0 to 1.
        num_steps: denoise steps of the whole schedule.
    """

    prompt: str
    instruction: str
    strength: float
    num_steps: int


@dataclass(frozen=True)
class _EngineEditor:
    """What both editors have of the engine."""

    engine: EngineThread
    wish: EditRequest

    @property
    def side_px(self) -> int:
        return self.engine.engine.edit_side_px

    @property
    def multiple_of(self) -> int:
        return self.engine.engine.multiple_of


@dataclass(frozen=True)
class StrengthEditor(_EngineEditor):
    """Implements `ImageEditor`: image to image."""

    @property
    def facts(self) -> EngineFacts:
        return self.engine.engine.facts(
            RefineInputs(
                base_image_url="",
                upscale_prompt=self.wish.prompt,
                upscale_steps=self.wish.num_steps,
            )
        )

    @property
    def batch(self) -> int:
        return self.engine.engine.edit_batch

    async def edit(
        self, pictures: Sequence[Image.Image], seeds: Sequence[int], on_step: StepCallback
    ) -> list[Image.Image]:
        wish = self.wish
        edits = [
            Edit(wish.prompt, strength=wish.strength, num_steps=wish.num_steps, seed=seed)
            for seed in seeds
        ]
        if len(pictures) == self.batch:
            return await self.engine.edit(pictures, edits, on_step)
        alone = [
            await self.engine.edit([picture], [edit], hear)
            for picture, edit, hear in zip(
                pictures, edits, _in_turn(on_step, len(pictures)), strict=True
            )
        ]
        return [edited for (edited,) in alone]


@dataclass(frozen=True)
class InstructionEditor(_EngineEditor):
    """Implements `ImageEditor`: a model that follows instructions, and looks at references."""

    references: Sequence[Image.Image] = ()

    @property
    def facts(self) -> EngineFacts:
        return self.engine.engine.facts(self._inputs((self.side_px, self.side_px), seed=0))

    @property
    def batch(self) -> int:
        return 1

    async def edit(
        self, pictures: Sequence[Image.Image], seeds: Sequence[int], on_step: StepCallback
    ) -> list[Image.Image]:
        return [
            await self._edit(picture, seed, hear)
            for picture, seed, hear in zip(
                pictures, seeds, _in_turn(on_step, len(pictures)), strict=True
            )
        ]

    async def _edit(self, picture: Image.Image, seed: int, on_step: StepCallback) -> Image.Image:
        inputs = self._inputs(picture.size, seed)
        made = await self.engine.instruct(inputs, picture, self.references, on_step)
        (edited,) = made.pictures
        return edited

    def _inputs(self, size: tuple[int, int], seed: int) -> EditingInputs:
        return EditingInputs(
            prompt=self.wish.instruction,
            base_image="",
            width=size[0],
            height=size[1],
            seed=seed,
            config=EditingConfig(num_inference_steps=self.wish.num_steps),
        )


def _in_turn(on_step: StepCallback, num_pictures: int) -> list[StepCallback]:
    """For each of some pictures that are edited one after the other, who hears of its steps."""

    def hear(index: int, done: int, steps: int) -> None:
        on_step(index * steps + done, num_pictures * steps)

    return [partial(hear, index) for index in range(num_pictures)]


def follows_instructions(engine: EngineThread, num_references: int = 0) -> bool:
    """Whether the worker has an instruction model, and it looks at that many references."""
    most = engine.engine.max_references
    return most is not None and most >= num_references


def choose_editor(engine: EngineThread, kind: EditorKind, wish: EditRequest) -> ImageEditor:
    """The editor that the settings ask for; by strength where there is no instruction model."""
    if kind is EditorKind.INSTRUCT and follows_instructions(engine):
        return InstructionEditor(engine, wish)
    return StrengthEditor(engine, wish)
