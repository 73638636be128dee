"""Base models, opened from a folder or the hub; their weights are loaded when they are needed."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from shared.flux.device import memory_budget_bytes
from shared.flux.errors import ModelLoadError
from shared.flux.families.registry import family_of
from shared.flux.fingerprint import fingerprint
from shared.flux.model_cache.model_parts import FolderParts
from shared.flux.model_cache.part_cache import PartCache
from shared.flux.pipeline.components import FluxComponents, resolve_folder
from training_worker.model.errors import base_model_error
from training_worker.model.families import TrainingFamily, training_family

_TOKENIZERS = ("tokenizer", "tokenizer_2")


@dataclass(frozen=True)
class BaseModel:
    """An opened base model.

    Attributes:
        name: for people; never a path.
        digest: of the whole folder.
        family: how it is trained.
        components: tokenizers and scheduler, and its parts, loaded at their first use.
        parts: its weights.
        cache: keeps loaded parts within the memory of models.
        encoder_digest: of the text encoders and their tokenizers.
    """

    name: str
    digest: str
    family: TrainingFamily
    components: FluxComponents
    parts: FolderParts
    cache: PartCache
    encoder_digest: str

    @property
    def vae_digest(self) -> str:
        """Digest of the autoencoder."""
        return self.parts.key("vae")


def open_base_model(
    source: str, *, device: torch.device, dtype: torch.dtype, memory_bytes: int = 0
) -> BaseModel:
    """Open a base model, without its weights.

    Args:
        source: a folder in diffusers format, or an id of the Hugging Face hub.
        device: where it is trained.
        dtype: number format of its frozen weights.
        memory_bytes: memory of models; 0: most of the device's.

    Raises:
        ModelLoadError: there is no such model, it is damaged, or trainings cannot use it.
    """
    if dtype is torch.float16:
        raise base_model_error("float16 has too little range for training; use bfloat16 or float32")
    try:
        return _open(source, device, dtype, memory_bytes)
    except ModelLoadError as error:
        raise base_model_error(f"base model {source!r}: {error.cause}") from error


def _open(source: str, device: torch.device, dtype: torch.dtype, memory_bytes: int) -> BaseModel:
    folder = resolve_folder(source)
    family = training_family(family_of(folder))

    def prepare(_key: str, _name: str, module: nn.Module) -> nn.Module:
        return module.to(device).requires_grad_(requires_grad=False)

    cache = PartCache(
        lambda: memory_bytes or memory_budget_bytes(device),
        remedy="SARTIQ_TRAINER_MEMORY_BYTES sets the budget",
    )
    parts = FolderParts(
        folder, family.family.part_classes, cache, device=device, dtype=dtype, prepare=prepare
    )
    encoders = [parts.key(name) for name in ("text_encoder", "text_encoder_2")]
    tokenizers = [fingerprint(folder / name) for name in _TOKENIZERS]
    return BaseModel(
        name=folder.name if Path(source).is_dir() else source,
        digest=fingerprint(folder),
        family=family,
        components=FluxComponents(folder, parts),
        parts=parts,
        cache=cache,
        encoder_digest=" ".join([*encoders, *tokenizers]),
    )
