"""Editors of picture regions: the local model, by strength (image to image) or by instruction.

Other editors, such as a provider's, can implement the same protocol.
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
    """Editor of pictures, with one prompt for all."""

    @property
    def side_px(self) -> int:
        """Largest longer side of a picture given to `edit`, in pixels."""
        ...

    @property
    def multiple_of(self) -> int:
        """Divisor of both sides of a picture given to `edit`."""
        ...

    @property
    def batch(self) -> int:
        """Preferred number of pictures per call."""
        ...

    @property
    def facts(self) -> EngineFacts:
        """Facts about the editor, for the record."""
        ...

    async def edit(
        self, pictures: Sequence[Image.Image], seeds: Sequence[int], on_step: StepCallback
    ) -> list[Image.Image]:
        """Edit RGB pictures of one size, and return pictures of that size.

        Args:
            pictures: `batch` of them, or fewer.
            seeds: one per picture.
            on_step: called after each denoise step, counted over all pictures.
        """
        ...


@dataclass(frozen=True)
class EditRequest:
    """The parameters of an edit.

    Attributes:
        prompt: description of the picture.
        instruction: the change to make, for editors that follow instructions.
        strength: strength for the other editors, 0 to 1.
        num_steps: denoise steps of the whole schedule.
    """

    prompt: str
    instruction: str
    strength: float
    num_steps: int


@dataclass(frozen=True)
class _EngineEditor:
    """Base of the editors that run on the engine."""

    engine: EngineThread
    request: EditRequest

    @property
    def side_px(self) -> int:
        return self.engine.engine.edit_side_px

    @property
    def multiple_of(self) -> int:
        return self.engine.engine.multiple_of


@dataclass(frozen=True)
class StrengthEditor(_EngineEditor):
    """`ImageEditor` by image to image."""

    @property
    def facts(self) -> EngineFacts:
        return self.engine.engine.facts(
            RefineInputs(
                base_image_url="",
                upscale_prompt=self.request.prompt,
                upscale_steps=self.request.num_steps,
            )
        )

    @property
    def batch(self) -> int:
        return self.engine.engine.edit_batch

    async def edit(
        self, pictures: Sequence[Image.Image], seeds: Sequence[int], on_step: StepCallback
    ) -> list[Image.Image]:
        request = self.request
        edits = [
            Edit(
                request.prompt,
                strength=request.strength,
                num_steps=request.num_steps,
                seed=seed,
            )
            for seed in seeds
        ]
        if len(pictures) == self.batch:
            return await self.engine.edit(pictures, edits, on_step)
        results = [
            await self.engine.edit([picture], [edit], callback)
            for picture, edit, callback in zip(
                pictures, edits, _in_turn(on_step, len(pictures)), strict=True
            )
        ]
        return [edited for (edited,) in results]


@dataclass(frozen=True)
class InstructionEditor(_EngineEditor):
    """`ImageEditor` by a model that follows instructions and uses references."""

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
            await self._edit(picture, seed, callback)
            for picture, seed, callback in zip(
                pictures, seeds, _in_turn(on_step, len(pictures)), strict=True
            )
        ]

    async def _edit(self, picture: Image.Image, seed: int, on_step: StepCallback) -> Image.Image:
        inputs = self._inputs(picture.size, seed)
        result = await self.engine.instruct(inputs, picture, self.references, on_step)
        (edited,) = result.pictures
        return edited

    def _inputs(self, size: tuple[int, int], seed: int) -> EditingInputs:
        return EditingInputs(
            prompt=self.request.instruction,
            base_image="",
            width=size[0],
            height=size[1],
            seed=seed,
            config=EditingConfig(num_inference_steps=self.request.num_steps),
        )


def _in_turn(on_step: StepCallback, num_pictures: int) -> list[StepCallback]:
    """Return a step callback for each of several pictures that are edited one after another."""

    def report(index: int, done: int, steps: int) -> None:
        on_step(index * steps + done, num_pictures * steps)

    return [partial(report, index) for index in range(num_pictures)]


def follows_instructions(engine: EngineThread, num_references: int = 0) -> bool:
    """Return whether the worker has an instruction model that takes that many references."""
    most = engine.engine.max_references
    return most is not None and most >= num_references


def choose_editor(engine: EngineThread, kind: EditorKind, request: EditRequest) -> ImageEditor:
    """Return the editor of the settings; by strength if there is no instruction model."""
    if kind is EditorKind.INSTRUCT and follows_instructions(engine):
        return InstructionEditor(engine, request)
    return StrengthEditor(engine, request)
