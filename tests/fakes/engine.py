"""An engine that shows what it was asked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from inference_worker.engine.identity_engine import IdentityEngine
from shared.cancellation import CancelFlag
from shared.contracts.editing import EditingInputs
from shared.flux.engine import Edit, StepCallback


class PaintingEngine(IdentityEngine):
    """Paints each picture that it is to edit, by itself."""

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        """What comes of one picture."""
        raise NotImplementedError

    def edit(
        self, images: Sequence[Image.Image], edits: Sequence[Edit], **options: Any
    ) -> list[Image.Image]:
        super().edit(images, edits, **options)
        return [self.paint(image, edit) for image, edit in zip(images, edits, strict=True)]


def noisy(image: Image.Image, seed: int, most: int) -> Image.Image:
    """A picture under seeded noise that changes each channel by so much at most."""
    noise = np.random.default_rng(seed).integers(-most, most + 1, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


class MendingEngine(PaintingEngine):
    """Adds seeded noise to what it edits, and remembers what it was given.

    Args:
        noise: largest change of a channel.
        max_references: what the engine says of itself; none: it follows no instructions.
    """

    def __init__(self, *, noise: int = 10, max_references: int | None = None) -> None:
        super().__init__(edit_side_px=64)
        self.edits: list[Edit] = []
        self.instructions: list[EditingInputs] = []
        self.references: list[Image.Image] = []
        self._noise = noise
        self._max_references = max_references

    @property
    def max_references(self) -> int | None:
        return self._max_references

    def paint(self, image: Image.Image, edit: Edit) -> Image.Image:
        self.edits.append(edit)
        return noisy(image, edit.seed, self._noise)

    def instruct(
        self,
        inputs: EditingInputs,
        base: Image.Image,
        references: Sequence[Image.Image],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        self.instructions.append(inputs)
        self.references = list(references)
        return [noisy(base, inputs.seed, self._noise)]
