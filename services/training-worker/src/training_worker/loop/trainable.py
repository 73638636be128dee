"""The protocol between the loop and a model that it trains."""

from typing import Protocol

from torch import Tensor

from shared.flux.pipeline.conditioning import PromptEmbeddings
from training_worker.loop.callbacks import Model


class TrainableModel(Model, Protocol):
    """A model with the forward pass of its training."""

    uses_checkpointing: bool
    """True where the backward pass recomputes activations."""

    def shift(self, num_tokens: int) -> float:
        """Return the shift of noise levels for pictures of so many tokens."""
        ...

    def predict(self, noised: Tensor, sigmas: Tensor, prompt: PromptEmbeddings) -> Tensor:
        """Predict packed velocities, [B, L, 4C], of noised latents, [B, C, h, w]."""
        ...

    def use_checkpointing(self) -> None:
        """Recompute activations in the backward pass from now on."""
        ...

    def free_memory(self) -> None:
        """Evict parts that are not trained."""
        ...
