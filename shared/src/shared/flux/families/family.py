"""The description of a family of models, and the protocol of an opened model."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor

from shared.cancellation import CancelFlag
from shared.flux.engine import StepCallback
from shared.flux.lora.reading import LoraParts, Pairs
from shared.flux.model_cache.model_parts import FolderParts
from shared.flux.pipeline.conditioning import Conditioning, PromptEmbeddings
from shared.flux.pipeline.start import Context, Start


class Model(Protocol):
    """The four blocks of a model's pipeline. A part is loaded when a block needs it.

    Sizes are (width, height) in pixels, multiples of `multiple_of`.
    """

    @property
    def multiple_of(self) -> int:
        """Pixels per token, along each side."""
        ...

    @property
    def default_steps(self) -> int:
        """Denoise steps where a request names none."""
        ...

    def embed(self, prompt: str, variant: Hashable = ()) -> PromptEmbeddings:
        """Encode text into what the transformer attends to.

        Args:
            prompt: the text.
            variant: what else the embeddings depend on: the LoRAs on the encoder.
        """
        ...

    def truncation_warning(self, prompt: str) -> str | None:
        """Return a sentence on what a recent prompt lost; None where nothing was truncated."""
        ...

    def context(self, pictures: Sequence[Image.Image]) -> Context:
        """Encode pictures that the transformer attends to while it denoises another."""
        ...

    def start_from_noise(
        self, size: tuple[int, int], num_steps: int, generator: torch.Generator
    ) -> Start:
        """Prepare pure noise and the whole schedule."""
        ...

    def start_from_image(
        self,
        image: Image.Image,
        *,
        strength: float,
        num_steps: int,
        generator: torch.Generator,
        mask: Image.Image | None = None,
    ) -> Start | None:
        """Prepare a picture under noise and the last part of the schedule.

        Args:
            image: RGB.
            strength: share of the schedule, 0 to 1.
            num_steps: denoise steps of the whole schedule.
            generator: the source of the noise.
            mask: L; white may change, the rest is restored after each step.

        Returns:
            None where the strength leaves no step.
        """
        ...

    def denoise(
        self,
        start: Start,
        conditioning: Conditioning,
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> Tensor:
        """Follow the schedule to its end and return latents as `decode` takes them.

        Raises:
            Cancelled: the flag was set before a step.
        """
        ...

    def decode(self, latents: Tensor, size: tuple[int, int]) -> Image.Image:
        """Decode latents into an RGB picture.

        Raises:
            InvalidInputError: the latents are not finite.
        """
        ...


class OpenModel(Protocol):
    """Constructor of a `Model` over the parts of a folder."""

    def __call__(self, folder: Path, parts: FolderParts, *, max_text_tokens: int) -> Model: ...


@dataclass(frozen=True)
class Family:
    """A family of models.

    Attributes:
        name: its name in provenance records.
        pipeline_class: `_class_name` in the `model_index.json` of its folders.
        part_classes: class of each part, by subfolder.
        backbone: the part that denoises.
        lora_parts: for each part that LoRAs can change, its pairs out of a LoRA file.
        sampler: the scheduler's name in provenance records.
        max_references: pictures that it attends to beside the one it edits; None: it follows no
            instructions, and edits by strength.
        has_true_cfg: whether it can follow a negative prompt.
        open: opens a model over its parts.
    """

    name: str
    pipeline_class: str
    part_classes: Mapping[str, Any]
    backbone: str
    lora_parts: Mapping[str, Callable[[LoraParts], Pairs]]
    sampler: str
    max_references: int | None
    has_true_cfg: bool
    open: OpenModel
