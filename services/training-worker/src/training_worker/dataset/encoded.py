"""A dataset whose pictures and captions are encoded once, before training begins."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from shared.cancellation import NEVER, CancelFlag, stop_if
from shared.contracts.datasets import DatasetImage, DatasetManifest
from shared.flux.pipeline.conditioning import PromptEmbeddings
from training_worker.dataset.cache import TensorCache
from training_worker.dataset.encoding import DatasetEncoder, latents_of, prompt_of
from training_worker.dataset.items import CachedDataset
from training_worker.model.base import BaseModel


@dataclass(frozen=True)
class EncodedItem:
    """Implements `Item`: reads its tensors from the cache whenever they are asked for.

    Attributes:
        image: its entry in the manifest.
        encoder: encodes it again should its file have been deleted or damaged.
        cache: holds its tensors.
    """

    image: DatasetImage
    encoder: DatasetEncoder
    cache: TensorCache

    @property
    def latents(self) -> Tensor:
        key = self.encoder.latents_key(self.image)
        return latents_of(self.cache.get(key, self.encoder.picture_encoding(self.image)))

    @property
    def prompt(self) -> PromptEmbeddings:
        return encoded_prompt(self.encoder, self.cache, self.image.caption)


def encoded_prompt(encoder: DatasetEncoder, cache: TensorCache, caption: str) -> PromptEmbeddings:
    """Return the embeddings of a caption."""
    key = encoder.prompt_key(caption)
    return prompt_of(cache.get(key, encoder.prompt_encoding(caption)))


def encode_dataset(
    manifest: DatasetManifest,
    archive: Path,
    base: BaseModel,
    cache: TensorCache,
    *,
    cancel: CancelFlag = NEVER,
) -> CachedDataset:
    """Encode what the cache does not have, captions first: encoders and VAE need not fit together.

    Args:
        manifest: of the dataset.
        archive: its pictures.
        base: the model that encodes.
        cache: holds the result.
        cancel: checked before each caption and picture.

    Raises:
        Cancelled: the flag was set.
        InvalidInputError: a picture is missing or damaged.
        ModelLoadError: an encoder cannot be loaded.
        ResourceError: an encoder does not fit into memory.
    """
    encoder = DatasetEncoder(base, archive)
    items = [EncodedItem(image, encoder, cache) for image in manifest.images]
    stop_if(cancel)
    empty = encoded_prompt(encoder, cache, "")
    for item in items:
        stop_if(cancel)
        _ = item.prompt
    for item in items:
        stop_if(cancel)
        _ = item.latents
    cache.trim(_keys(encoder, manifest))
    return CachedDataset(
        items=[item for item in items if not item.image.is_held_out],
        held_out=[item for item in items if item.image.is_held_out],
        empty_prompt=empty,
        digest=manifest.digest,
    )


def _keys(encoder: DatasetEncoder, manifest: DatasetManifest) -> Iterator[str]:
    yield encoder.prompt_key("")
    for image in manifest.images:
        yield encoder.latents_key(image)
        yield encoder.prompt_key(image.caption)
