"""Prompts as the transformer reads them, and the guidance towards and away from them."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class PromptEmbeddings:
    """Embeddings of prompts, by diffusers' names.

    Attributes:
        prompt_embeds: T5's hidden states, [N, T, D].
        pooled_prompt_embeds: CLIP's pooled output, [N, P].
        text_ids: positions of the text tokens, [T, 3]; all 0, since text has no place in a picture.
    """

    prompt_embeds: Tensor
    pooled_prompt_embeds: Tensor
    text_ids: Tensor

    def to(self, dtype: torch.dtype) -> Self:
        """Return the embeddings in a number format."""
        return replace(
            self,
            prompt_embeds=self.prompt_embeds.to(dtype),
            pooled_prompt_embeds=self.pooled_prompt_embeds.to(dtype),
            text_ids=self.text_ids.to(dtype),
        )

    def expand(self, num: int) -> Self:
        """Return the embeddings of one prompt for so many pictures, as views."""
        return replace(
            self,
            prompt_embeds=self.prompt_embeds.expand(num, -1, -1),
            pooled_prompt_embeds=self.pooled_prompt_embeds.expand(num, -1),
        )


@dataclass(frozen=True)
class Conditioning:
    """Prompts of a picture, and their weights.

    Attributes:
        positive: the prompt that the picture follows.
        guidance_scale: distilled guidance, an input of models that were trained with it.
        negative: the prompt that the picture avoids; None: there is none.
        true_cfg_scale: weight of the difference between positive and negative. A negative prompt
            costs a second call of the transformer a step.
    """

    positive: PromptEmbeddings
    guidance_scale: float
    negative: PromptEmbeddings | None = None
    true_cfg_scale: float = 1.0


def text_ids(prompt_embeds: Tensor) -> Tensor:
    """Return the positions of T5's tokens, [T, 3], all 0, for embeddings [N, T, D]."""
    return torch.zeros(
        prompt_embeds.shape[1], 3, device=prompt_embeds.device, dtype=prompt_embeds.dtype
    )
