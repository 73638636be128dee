"""Items of a dataset as the loop takes them: latents and text are encoded once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from shared.contracts.datasets import DatasetImage
from shared.flux.pipeline.conditioning import PromptEmbeddings


class Item(Protocol):
    """One picture at one resolution, encoded."""

    @property
    def image(self) -> DatasetImage:
        """Its entry in the manifest."""
        ...

    @property
    def latents(self) -> Tensor:
        """Scaled latents, [1, C, h, w], on the device."""
        ...

    @property
    def prompt(self) -> PromptEmbeddings:
        """The embeddings of its caption, of one prompt."""
        ...


@dataclass(frozen=True)
class CachedDataset:
    """An encoded dataset.

    Attributes:
        items: trained on.
        held_out: measured only.
        empty_prompt: the embeddings of the empty caption, for caption dropout.
        digest: of the manifest.
    """

    items: Sequence[Item]
    held_out: Sequence[Item]
    empty_prompt: PromptEmbeddings
    digest: str
