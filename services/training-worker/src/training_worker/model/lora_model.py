"""A base model with the LoRA that is trained on it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import structlog
import torch
from torch import Tensor

from shared.contracts.training import Hyperparameters
from shared.flux.pipeline.conditioning import PromptEmbeddings
from shared.flux.pipeline.latents import pack, position_ids
from shared.flux.pipeline.prepare import cpu_generator
from shared.flux.pipeline.velocity import predict_velocity
from training_worker.model.adapter import Adapter
from training_worker.model.base import BaseModel
from training_worker.model.guidance import GuidanceBypass

_log = structlog.stdlib.get_logger(__name__)

_SEEDS_PER_RUN = 1_000_003


class LoraModel:
    """Implements `loop.callbacks.Model` and `loop.trainable.TrainableModel`.

    It loads the transformer and keeps it: an evicted one would lose its adapter.

    Args:
        base: the base model.
        values: rank, seed, guidance and checkpointing.

    Raises:
        InvalidInputError: the rank does not fit the base model.
        ResourceError: the transformer does not fit into memory.
    """

    def __init__(self, base: BaseModel, values: Hyperparameters) -> None:
        self.name = base.name
        self.digest = base.digest
        self.components = base.components
        self.device = base.components.device
        self.dtype = base.components.dtype
        self._base = base
        self._transformer: Any = base.parts.pin(base.family.family.backbone)
        self._adapter = Adapter(
            self._transformer,
            base.family.targets(self._transformer),
            values.rank,
            # A seed of its own: the one before those of the steps.
            cpu_generator(values.seed * _SEEDS_PER_RUN - 1),
        )
        self._guidance_scale = values.guidance_scale
        self._bypass = self._guidance_bypass(values)
        self._shifts: dict[int, float] = {}
        self.uses_checkpointing = False
        if values.gradient_checkpointing or (
            values.gradient_checkpointing is None and self.device.type == "cuda"
        ):
            self.use_checkpointing()

    @property
    def targets(self) -> Sequence[str]:
        return self._adapter.targets

    @property
    def parameters(self) -> Mapping[str, Tensor]:
        return self._adapter.parameters

    @contextmanager
    def scaled(self, weight: float) -> Generator[None]:
        self._adapter.set_weight(weight)
        try:
            yield
        finally:
            self._adapter.set_weight(1)

    def shift(self, num_tokens: int) -> float:
        """Return the shift of noise levels for pictures of so many tokens."""
        if num_tokens not in self._shifts:
            self._shifts[num_tokens] = self._base.family.shift(self.components, num_tokens)
        return self._shifts[num_tokens]

    def predict(self, noised: Tensor, sigmas: Tensor, prompt: PromptEmbeddings) -> Tensor:
        """Predict velocities in training.

        Args:
            noised: latents, [B, C, h, w].
            sigmas: their noise levels, [B].
            prompt: one for each.

        Returns:
            Packed velocities, [B, L, 4C].
        """
        ids = position_ids(noised.shape[2], noised.shape[3]).to(self.device, self.dtype)
        with self._autocast(), self._bypass.active() if self._bypass else nullcontext():
            return predict_velocity(
                self._transformer,
                pack(noised).to(self.dtype),
                ids,
                prompt,
                sigmas=sigmas.to(self.dtype),
                guidance=self._guidance(len(sigmas)),
            )

    def use_checkpointing(self) -> None:
        """Recompute activations in the backward pass from now on: less memory, the same numbers."""
        self.uses_checkpointing = True
        self._transformer.enable_gradient_checkpointing()

    def free_memory(self) -> None:
        """Evict parts that are not trained: encoders and VAE, which samples load again."""
        self._base.cache.clear()

    def _guidance(self, num: int) -> Tensor | None:
        if not self.components.has_guidance_embeds or self._bypass is not None:
            return None
        return torch.full([num], self._guidance_scale, device=self.device)

    def _guidance_bypass(self, values: Hyperparameters) -> GuidanceBypass | None:
        if not values.bypass_guidance_embedding:
            return None
        if not self.components.has_guidance_embeds:
            _log.warning("bypass_guidance_embedding_has_no_effect", model=self.name)
            return None
        return GuidanceBypass(self._transformer)

    def _autocast(self) -> Any:
        if self.dtype is torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)
