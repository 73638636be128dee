"""What the engine must know of a kind of model, and of one that is open."""

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
from shared.flux.model_cache.model_parts import Parts
from shared.flux.pipeline.conditioning import Conditioning, PromptEmbeddings
from shared.flux.pipeline.start import Context, Start


class Model(Protocol):
    """A model that can be run: the four blocks of a pipeline. Parts load when a block needs them.

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
        """Encode: text becomes what the transformer attends to.

        Args:
            prompt: the text.
            variant: what else the embeddings depend on: the LoRAs on the encoder.
        """
        ...

    def cut(self, prompt: str) -> str | None:
        """What a prompt lost that was embedded lately; none where it was read whole."""
        ...

    def context(self, pictures: Sequence[Image.Image]) -> Context:
        """Encode pictures that the transformer looks at while it makes another."""
        ...

    def start_from_noise(
        self, size: tuple[int, int], num_steps: int, generator: torch.Generator
    ) -> Start:
        """Prepare: pure noise, the whole schedule."""
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
        """Prepare: a picture under noise; none where the strength, 0 to 1, leaves no step.

        Where there is a mask (L, white is painted anew), the rest is led back to the picture.
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
        """Denoise: follow the schedule to its end. Answers latents as `decode` takes them."""
        ...

    def decode(self, latents: Tensor, size: tuple[int, int]) -> Image.Image:
        """Decode: latents become a picture, RGB."""
        ...


class OpenModel(Protocol):
    """Makes a `Model` over the parts of a folder."""

    def __call__(self, folder: Path, parts: Parts, *, max_text_tokens: int) -> Model: ...


@dataclass(frozen=True)
class Family:
    """One kind of model.

    Args:
        name: as provenance records name it.
        pipeline_class: `_class_name` in the `model_index.json` of its folders.
        part_classes: class of each part, by subfolder.
        backbone: the part that denoises.
        lora_parts: what of a LoRA file changes which part.
        sampler: as provenance records name it.
        max_references: pictures that it can look at beside the one it edits; none: it follows no
            instructions, and edits by strength.
        has_true_cfg: whether a negative prompt can be followed.
        open: makes a model over its parts.
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
