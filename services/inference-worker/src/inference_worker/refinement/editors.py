"""Editors of picture regions: the local model, by strength (image to image) or by instruction.

`remote_editor` has the editor that is a provider's model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from PIL import Image

from inference_worker.engine.engine_thread import EngineThread
from inference_worker.refinement.resolution import SideChoice, edit_size, largest_side
from shared.contracts.editing import EditingConfig, EditingInputs
from shared.contracts.editors import EditorKind
from shared.contracts.refinement import RefineInputs
from shared.flux.engine import Edit, EngineFacts, StepCallback

_PIPELINE_DEPTH = 3
"""Batches in flight: one before the engine, one in it, one after it.

More would fill memory, and keep other tasks of this worker waiting for the engine.
"""


@dataclass(frozen=True)
class TileTry:
    """One try at editing a tile.

    Attributes:
        index: the tile's number within its picture.
        number: 1 for the first try.
        seed: of this try of this tile.
        picture_seed: of the whole picture, from which `seed` is derived.
        side_px: the resolution to edit at, as the longer side in pixels.
    """

    index: int
    number: int
    seed: int
    picture_seed: int
    side_px: int


@dataclass(frozen=True)
class Reference:
    """A picture that an edit follows.

    Attributes:
        picture: RGB.
        key: of its object.
    """

    picture: Image.Image
    key: str = ""


@dataclass(frozen=True)
class EditRequest:
    """The parameters of an edit.

    Attributes:
        prompt: description of the picture.
        instruction: the change to make, for editors that follow instructions.
        strength: strength for the other editors, 0 to 1.
        num_steps: denoise steps of the whole schedule.
        references: for editors that follow them.
    """

    prompt: str
    instruction: str
    strength: float
    num_steps: int
    references: Sequence[Reference] = field(default=())


class ImageEditor(Protocol):
    """Editor of pictures, with one prompt for all."""

    @property
    def side_px(self) -> int:
        """Largest longer side at which it edits, in pixels."""
        ...

    @property
    def batch(self) -> int:
        """Preferred number of pictures per call."""
        ...

    @property
    def in_flight(self) -> int:
        """Largest number of calls at once."""
        ...

    @property
    def facts(self) -> EngineFacts:
        """Facts about the editor, for the record."""
        ...

    def shown_size(self, size: tuple[int, int], side_px: int) -> tuple[int, int]:
        """Return the size at which `edit` takes a picture.

        Args:
            size: width and height of the picture.
            side_px: the resolution to edit at.
        """
        ...

    async def edit(
        self, pictures: Sequence[Image.Image], tries: Sequence[TileTry], on_step: StepCallback
    ) -> list[Image.Image]:
        """Edit RGB pictures of one size, and return pictures of that size.

        Args:
            pictures: `batch` of them, or fewer.
            tries: one per picture.
            on_step: called after each denoise step, counted over all pictures.
        """
        ...


class Editors(Protocol):
    """The editors that one task may use."""

    @property
    def side_px(self) -> int:
        """Largest longer side at which they edit, in pixels."""
        ...

    @property
    def checked_px(self) -> int:
        """Longer side at which networks compare an edit with its source."""
        ...

    @property
    def region_side(self) -> SideChoice:
        """Resolution of single faces and details."""
        ...

    @property
    def follows_references(self) -> bool:
        """True if an edit can follow a reference picture."""
        ...

    def open(self, request: EditRequest) -> ImageEditor:
        """Return an editor; it follows the request's references if that is possible."""
        ...


@dataclass(frozen=True)
class _EngineEditor:
    """Base of the editors that run on the engine."""

    engine: EngineThread
    request: EditRequest

    @property
    def side_px(self) -> int:
        return self.engine.engine.edit_side_px

    @property
    def in_flight(self) -> int:
        return _PIPELINE_DEPTH

    def shown_size(self, size: tuple[int, int], side_px: int) -> tuple[int, int]:
        return edit_size(size, longer_px=side_px, multiple_of=self.engine.engine.multiple_of)


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
        self, pictures: Sequence[Image.Image], tries: Sequence[TileTry], on_step: StepCallback
    ) -> list[Image.Image]:
        request = self.request
        edits = [
            Edit(
                request.prompt,
                strength=request.strength,
                num_steps=request.num_steps,
                seed=each.seed,
            )
            for each in tries
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

    @property
    def facts(self) -> EngineFacts:
        return self.engine.engine.facts(self._inputs((self.side_px, self.side_px), seed=0))

    @property
    def batch(self) -> int:
        return 1

    async def edit(
        self, pictures: Sequence[Image.Image], tries: Sequence[TileTry], on_step: StepCallback
    ) -> list[Image.Image]:
        return [
            await self._edit(picture, each.seed, callback)
            for picture, each, callback in zip(
                pictures, tries, _in_turn(on_step, len(pictures)), strict=True
            )
        ]

    async def _edit(self, picture: Image.Image, seed: int, on_step: StepCallback) -> Image.Image:
        inputs = self._inputs(picture.size, seed)
        references = [reference.picture for reference in self.request.references]
        result = await self.engine.instruct(inputs, picture, references, on_step)
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


@dataclass(frozen=True)
class LocalEditors:
    """`Editors` on this worker's model.

    Attributes:
        engine: the model.
        kind: `INSTRUCT` prefers the instruction model, if there is one. Edits that follow a
            reference always do.
    """

    engine: EngineThread
    kind: EditorKind = EditorKind.STRENGTH

    @property
    def side_px(self) -> int:
        return self.engine.engine.edit_side_px

    @property
    def checked_px(self) -> int:
        return self.side_px

    @property
    def region_side(self) -> SideChoice:
        return largest_side

    @property
    def follows_references(self) -> bool:
        return bool(self.engine.engine.max_references)

    def open(self, request: EditRequest) -> ImageEditor:
        if request.references:
            is_instructed = self.follows_references
        else:
            has_model = self.engine.engine.max_references is not None
            is_instructed = has_model and self.kind is EditorKind.INSTRUCT
        return (InstructionEditor if is_instructed else StrengthEditor)(self.engine, request)
