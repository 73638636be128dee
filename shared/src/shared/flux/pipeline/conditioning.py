"""What pulls a picture where, and how hard."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PromptEmbeddings:
    """One prompt as FLUX reads it: words from T5, the gist from CLIP."""

    words: Tensor  # [1, T, D]
    gist: Tensor  # [1, P]
    word_ids: Tensor  # [T, 3], all zero: words have no place in the picture


@dataclass(frozen=True)
class Conditioning:
    """The prompts of a picture and their weights."""

    positive: PromptEmbeddings
    guidance_scale: float
    """Distilled guidance, an input of models that were trained with it."""
    negative: PromptEmbeddings | None = None
    true_cfg_scale: float = 1.0
    """Weight of the difference between positive and negative; costs a second transformer call."""
