"""Encoding of pictures and captions, each under a key of all that it depends on."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from shared.contracts.datasets import DatasetImage
from shared.flux.pipeline.autoencoder import encode_mode
from shared.flux.pipeline.conditioning import PromptEmbeddings, text_ids
from shared.flux.pipeline.encode import PromptEncoder
from shared.flux.pipeline.prepare import picture_pixels
from training_worker.dataset.cache import Tensors
from training_worker.dataset.files import read_picture
from training_worker.model.base import BaseModel

_LATENTS, _EMBEDS, _POOLED = "latents", "prompt_embeds", "pooled_prompt_embeds"


class DatasetEncoder:
    """Encodes pictures and captions of one dataset with one base model.

    Encoders and VAE are loaded at the first use, and evicted where memory is short.

    Args:
        base: the model.
        archive: the dataset's pictures.
    """

    def __init__(self, base: BaseModel, archive: Path) -> None:
        self._components = base.components
        self._archive = archive
        self._num_tokens = base.family.text_tokens(base.components)
        self._vae_digest = base.vae_digest
        self._encoder_digest = base.encoder_digest
        self._prompts = PromptEncoder(
            base.components, max_tokens=self._num_tokens, num_remembered=1
        )

    def latents_key(self, image: DatasetImage) -> str:
        """Return the key of a picture's latents."""
        width, height = image.bucket
        dtype = self._components.dtype
        return _key("latents", image.sha256, f"{width}x{height}", self._vae_digest, str(dtype))

    def prompt_key(self, caption: str) -> str:
        """Return the key of a caption's embeddings."""
        dtype = self._components.dtype
        return _key("text", caption, self._encoder_digest, str(self._num_tokens), str(dtype))

    def picture_encoding(self, image: DatasetImage) -> Callable[[], Tensors]:
        """Return a function that encodes a picture."""

        @torch.no_grad()
        def encode() -> Tensors:
            pixels = picture_pixels(self._components, read_picture(self._archive, image))
            return {_LATENTS: encode_mode(self._components.vae, pixels)}

        return encode

    def prompt_encoding(self, caption: str) -> Callable[[], Tensors]:
        """Return a function that encodes a caption."""

        @torch.no_grad()
        def encode() -> Tensors:
            prompt = self._prompts.encode(caption)
            return {_EMBEDS: prompt.prompt_embeds, _POOLED: prompt.pooled_prompt_embeds}

        return encode


def latents_of(tensors: Tensors) -> torch.Tensor:
    """Return a picture's latents, [1, C, h, w]."""
    return tensors[_LATENTS]


def prompt_of(tensors: Tensors) -> PromptEmbeddings:
    """Return a caption's embeddings."""
    embeds = tensors[_EMBEDS]
    return PromptEmbeddings(embeds, tensors[_POOLED], text_ids(embeds))


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
