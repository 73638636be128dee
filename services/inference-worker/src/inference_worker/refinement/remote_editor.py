"""The editor that is Gemini's image model: each edit is a run of its own, in the provider's worker.

A picture is padded to an aspect ratio of the model and stored; the edited picture is cut out of the
result and brought back to its size.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from PIL import Image

from inference_worker.io.picture_files import PictureFiles
from inference_worker.refinement.edit_runs import EditRuns
from inference_worker.refinement.editors import EditRequest, ImageEditor, TileTry
from inference_worker.refinement.framing import frame_of
from inference_worker.refinement.resolution import SideChoice
from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.gemini_images import canonical_size
from shared.contracts.owners import Owner
from shared.contracts.remote_editing import PictureEdit
from shared.flux.engine import EngineFacts, StepCallback
from shared.pixels.images import encode_png

_SIDES_PX = {"1K": 1024, "2K": 2048, "4K": 4096}
_SEEDS = 2**31
_CHECKED_PX = 1024
_ID_DIGITS = 16
_MOST_IN_FLIGHT = 64
_TOLD = (
    "You edit parts of photographs. Return the given picture with the requested change alone: the"
    " same framing, the same content at the same place, the same light and colours. Add no border"
    " and no text."
)


@dataclass(frozen=True)
class RemoteModel:
    """Gemini's image model. Implements `EditModel`.

    Attributes:
        name: its id.
        largest_size: the largest size at which it edits: 1K, 2K or 4K.
    """

    name: str
    largest_size: str

    @property
    def model_id(self) -> str:
        return f"{ProviderType.VERTEX}:{self.name}:{self.largest_size}"

    @property
    def edit_side_px(self) -> int:
        return _SIDES_PX[self.largest_size]

    @property
    def multiple_of(self) -> int:
        return 1

    @property
    def edit_batch(self) -> int:
        return 1

    def covering_side(self, size: tuple[int, int], largest_px: int) -> int:
        """Return the side of the smallest size at which a picture is not reduced.

        Args:
            size: width and height of the picture.
            largest_px: the largest side.
        """
        for image_size, side_px in _SIDES_PX.items():
            if side_px >= largest_px or self.scale(size, image_size) == 1:
                return min(side_px, largest_px)
        return largest_px

    def scale(self, size: tuple[int, int], image_size: str) -> float:
        """Return the factor by which a picture is reduced for an edit at a size, at most 1."""
        frame = frame_of(size, self.name)
        made = canonical_size(self.name, frame.ratio, image_size)
        return min(1, *(ours / shown for ours, shown in zip(made, frame.size, strict=True)))

    @property
    def facts(self) -> EngineFacts:
        """Facts for the record."""
        return EngineFacts(
            engine=ProviderType.VERTEX,
            model=self.name,
            model_digest=None,
            profile=None,
            plan=None,
            device=None,
            dtype=None,
            sampler=None,
            steps=None,
            guidance=None,
            settings={"edit_side_px": self.edit_side_px},
        )


@dataclass(frozen=True)
class EditedTask:
    """The task that edits are a part of.

    Attributes:
        task_id: its id.
        task_type: its type.
        owner: its owner.
        parent_id: workflow id of its run.
        folder: of its objects.
        digest: of everything that affects a tile's pixels.
    """

    task_id: UUID
    task_type: TaskType
    owner: Owner
    parent_id: str
    folder: str
    digest: str


@dataclass(frozen=True)
class RemoteEditors:
    """`Editors` by Gemini's image model.

    Attributes:
        model: the model.
        files: loads and stores pictures.
        runs: of the edits.
        task: the attempt.
    """

    model: RemoteModel
    files: PictureFiles
    runs: EditRuns
    task: EditedTask

    @property
    def side_px(self) -> int:
        return self.model.edit_side_px

    @property
    def checked_px(self) -> int:
        return _CHECKED_PX

    @property
    def region_side(self) -> SideChoice:
        return self.model.covering_side

    @property
    def follows_references(self) -> bool:
        return True

    def open(self, request: EditRequest) -> ImageEditor:
        return RemoteEditor(self, request)


@dataclass(frozen=True)
class RemoteEditor:
    """`ImageEditor` by Gemini's image model.

    All tiles of a picture have the picture's own seed, and each further try the next number, so
    that the seeds that were sent can be read off the task.
    """

    editors: RemoteEditors
    request: EditRequest

    @property
    def side_px(self) -> int:
        return self.editors.side_px

    @property
    def batch(self) -> int:
        return 1

    @property
    def in_flight(self) -> int:
        return _MOST_IN_FLIGHT

    @property
    def facts(self) -> EngineFacts:
        return self.editors.model.facts

    def shown_size(self, size: tuple[int, int], side_px: int) -> tuple[int, int]:
        """Return the picture's own size, if it is no larger than the model's pictures."""
        scale = self.editors.model.scale(size, _image_size(side_px))
        width, height = (max(round(side * scale), 1) for side in size)
        return width, height

    async def edit(
        self, pictures: Sequence[Image.Image], tries: Sequence[TileTry], on_step: StepCallback
    ) -> list[Image.Image]:
        edited: list[Image.Image] = []
        for picture, each in zip(pictures, tries, strict=True):
            edited.append(await self._edit(picture, each))
            on_step(len(edited), len(pictures))
        return edited

    async def _edit(self, picture: Image.Image, each: TileTry) -> Image.Image:
        files, task = self.editors.files, self.editors.task
        frame = frame_of(picture.size, self.editors.model.name)
        content = await files.cpu.run(lambda: encode_png(frame.pad(picture)))
        digest = await files.cpu.run(partial(self._digest, content))
        edits = f"{task.folder}/edits/{digest}"
        base_image = f"{edits}.png"
        await files.objects.put(base_image, content, "image/png")
        image_size = _image_size(each.side_px)
        width, height = canonical_size(self.editors.model.name, frame.ratio, image_size)
        edit = PictureEdit(
            task_id=task.task_id,
            task_type=task.task_type,
            parent_id=task.parent_id,
            name=f"tile {each.index}, try {each.number}",
            folder=f"{edits}-{each.index}-{each.number}",
            prompt=self.request.instruction,
            base_image=base_image,
            reference_images=[reference.key for reference in self.request.references],
            width=width,
            height=height,
            seed=(each.picture_seed + each.number - 1) % _SEEDS,
            provider_config={
                "model": self.editors.model.name,
                "aspect_ratio": frame.ratio,
                "image_size": image_size,
                "system_instructions": _TOLD,
            },
            owner=task.owner,
        )
        edit_id = f"edit-{task.task_id}-{digest}-{each.index}-{each.number}"
        result = await self.editors.runs.result(edit_id, edit)
        edited = await files.fetch(edit.name, result.key)
        return await files.cpu.run(partial(frame.cut_out, edited))

    def _digest(self, content: bytes) -> str:
        """Return the digest of a tile's edit, less the try's seed."""
        parts = [self.editors.task.digest, self.request.instruction]
        parts += [reference.key for reference in self.request.references]
        digest = hashlib.sha256("\n".join(parts).encode())
        digest.update(content)
        return digest.hexdigest()[:_ID_DIGITS]


def _image_size(side_px: int) -> str:
    """Return the smallest size of the model that is not below a resolution."""
    return next((name for name, px in _SIDES_PX.items() if px >= side_px), "4K")
