"""Training without the guidance embedding of guidance-distilled models."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.embeddings import CombinedTimestepTextProjEmbeddings


class GuidanceBypass:
    """The conditioning of a FLUX model without its guidance: time and text alone.

    diffusers' embedding for models without guidance takes over the two sub-modules of the model's
    own, so that no weight is copied.

    Args:
        transformer: one with guidance embeddings.
    """

    def __init__(self, transformer: Any) -> None:
        self._transformer = transformer
        own = transformer.time_text_embed
        with torch.device("meta"):
            bypass: Any = CombinedTimestepTextProjEmbeddings(
                embedding_dim=transformer.inner_dim,
                pooled_projection_dim=transformer.config.pooled_projection_dim,
            )
        bypass.timestep_embedder, bypass.text_embedder = own.timestep_embedder, own.text_embedder
        self._own, self._bypass = own, bypass

    @contextmanager
    def active(self) -> Generator[None]:
        """Take the guidance out of forward passes within the block, which give no guidance."""
        self._transformer.time_text_embed = self._bypass
        try:
            yield
        finally:
            self._transformer.time_text_embed = self._own
