"""The pipeline of one FLUX model: encode, prepare, denoise, decode."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Self

import torch
from PIL import Image
from torch import Tensor

from shared.cancellation import CancelFlag
from shared.flux.engine import StepCallback
from shared.flux.model_cache.model_parts import FolderParts
from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.conditioning import Conditioning, PromptEmbeddings
from shared.flux.pipeline.decode import decode
from shared.flux.pipeline.denoise import denoise
from shared.flux.pipeline.encode import PromptEncoder
from shared.flux.pipeline.prepare import encode_context, start_from_image, start_from_noise
from shared.flux.pipeline.start import Context, Start

_GUIDED_STEPS = 28
_DISTILLED_STEPS = 4


class FluxModel:
    """Implements `families.family.Model`.

    Args:
        components: tokenizers, scheduler and weights.
        max_text_tokens: longest prompt for T5; 0: what its tokenizer states, 512 at most.
    """

    def __init__(self, components: FluxComponents, *, max_text_tokens: int = 0) -> None:
        self._components = components
        self._encoder = PromptEncoder(components, max_tokens=max_text_tokens)

    @classmethod
    def open(cls, folder: Path, parts: FolderParts, *, max_text_tokens: int) -> Self:
        """Open the model of a folder in diffusers format over its weights."""
        return cls(FluxComponents(folder, parts), max_text_tokens=max_text_tokens)

    @property
    def multiple_of(self) -> int:
        return self._components.multiple_of

    @property
    def default_steps(self) -> int:
        """28 steps for [dev] and Krea; 4 for [schnell], which was distilled without guidance."""
        return _GUIDED_STEPS if self._components.has_guidance_embeds else _DISTILLED_STEPS

    def embed(self, prompt: str, variant: Hashable = ()) -> PromptEmbeddings:
        return self._encoder.encode(prompt, variant)

    def truncation_warning(self, prompt: str) -> str | None:
        return self._encoder.truncation_warning(prompt)

    def context(self, pictures: Sequence[Image.Image]) -> Context:
        return encode_context(self._components, pictures)

    def start_from_noise(
        self, size: tuple[int, int], num_steps: int, generator: torch.Generator
    ) -> Start:
        return start_from_noise(self._components, size, num_steps, generator)

    def start_from_image(
        self,
        image: Image.Image,
        *,
        strength: float,
        num_steps: int,
        generator: torch.Generator,
        mask: Image.Image | None = None,
    ) -> Start | None:
        return start_from_image(
            self._components,
            image,
            strength=strength,
            num_steps=num_steps,
            generator=generator,
            mask=mask,
        )

    def denoise(
        self,
        start: Start,
        conditioning: Conditioning,
        *,
        on_step: StepCallback,
        cancel: CancelFlag,
    ) -> Tensor:
        return denoise(self._components, start, conditioning, on_step=on_step, cancel=cancel)

    def decode(self, latents: Tensor, size: tuple[int, int]) -> Image.Image:
        return decode(self._components, latents, size)
