"""An engine without a model: generates gradients, and edits nothing.

It measures the platform's own cost, and replaces a model in tests; it imports no torch.
"""

import hashlib
import time
from collections.abc import Sequence

from PIL import Image, ImageOps

from shared.cancellation import CancelFlag, stop_if
from shared.contracts.editing import EditingInputs
from shared.contracts.generation import GenerationInputs
from shared.contracts.refinement import RefineInputs
from shared.flux.engine import Edit, EngineFacts, LoraUse, StepCallback


class IdentityEngine:
    """Implements `ImageEngine`.

    Args:
        edit_side_px: of the model that it stands for, so that tiles are resized as for one.
        edit_batch: likewise.
        step_s: seconds of a step.
    """

    def __init__(self, *, edit_side_px: int = 1024, edit_batch: int = 1, step_s: float = 0) -> None:
        self._edit_side_px = edit_side_px
        self._edit_batch = edit_batch
        self._step_s = step_s

    @property
    def model_id(self) -> str:
        return "identity"

    @property
    def edit_side_px(self) -> int:
        return self._edit_side_px

    @property
    def multiple_of(self) -> int:
        return 16

    @property
    def edit_batch(self) -> int:
        return self._edit_batch

    @property
    def max_references(self) -> int | None:
        return None

    def facts(self, inputs: GenerationInputs | EditingInputs | RefineInputs) -> EngineFacts:
        """Return facts: the results depend on nothing but the inputs."""
        is_refined = isinstance(inputs, RefineInputs)
        tiling: dict[str, float] = {
            "edit_side_px": self.edit_side_px,
            "edit_batch": self.edit_batch,
        }
        return EngineFacts(
            engine="identity",
            model="identity",
            model_digest=self.model_id,
            profile="quality",
            plan="",
            device="cpu",
            dtype=None,
            sampler=None,
            steps=inputs.upscale_steps if is_refined else inputs.config.num_inference_steps or 1,
            guidance=None,
            settings=tiling if is_refined else {},
        )

    def warm_up(self) -> None:
        """Do nothing: there is nothing to load."""

    def generate(
        self,
        inputs: GenerationInputs,
        reference: Image.Image | None,
        loras: Sequence[LoraUse],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Return gradients with colours by prompt and seed, or the resized reference."""
        num_images = inputs.config.num_images
        self._run_steps((inputs.config.num_inference_steps or 1) * num_images, on_step, cancel)
        size = (inputs.width, inputs.height)
        if reference is not None:
            return [ImageOps.fit(reference, size, Image.Resampling.LANCZOS)] * num_images
        return [_gradient(inputs.prompt, inputs.seed + i, size) for i in range(num_images)]

    def instruct(
        self,
        inputs: EditingInputs,
        base: Image.Image,
        references: Sequence[Image.Image],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Return the picture itself at the requested size."""
        num_images = inputs.config.num_images
        self._run_steps((inputs.config.num_inference_steps or 1) * num_images, on_step, cancel)
        size = (inputs.width, inputs.height)
        return [ImageOps.fit(base.convert("RGB"), size, Image.Resampling.LANCZOS)] * num_images

    def edit(
        self,
        images: Sequence[Image.Image],
        edits: Sequence[Edit],
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> list[Image.Image]:
        """Return the pictures themselves."""
        self._run_steps(edits[0].num_steps, on_step, cancel)
        return list(images)

    def _run_steps(self, num_steps: int, on_step: StepCallback, cancel: CancelFlag) -> None:
        for step in range(num_steps):
            stop_if(cancel)
            if self._step_s:
                time.sleep(self._step_s)
            on_step(step + 1, num_steps)


def _gradient(prompt: str, seed: int, size: tuple[int, int]) -> Image.Image:
    digest = hashlib.sha256(f"{seed}:{prompt}".encode()).digest()
    top = (digest[0], digest[1], digest[2])
    bottom = (digest[3], digest[4], digest[5])
    ramp = Image.linear_gradient("L").resize(size)
    return ImageOps.colorize(ramp, top, bottom)
