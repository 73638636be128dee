"""An engine that shows what it was asked."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from inference_worker.pipelines.engine import CancelFlag, Edit, StepCallback
from inference_worker.pipelines.identity_engine import IdentityEngine
from shared.contracts.editing import EditingInputs


class MendingEngine(IdentityEngine):
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

    def edit(
        self, image: Image.Image, edit: Edit, *, on_step: StepCallback, cancel: CancelFlag
    ) -> Image.Image:
        self.edits.append(edit)
        return self._mend(image, edit.seed)

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
        return [self._mend(base, inputs.seed)]

    def _mend(self, image: Image.Image, seed: int) -> Image.Image:
        rng = np.random.default_rng(seed)
        noise = rng.integers(-self._noise, self._noise + 1, (image.height, image.width, 3))
        return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
