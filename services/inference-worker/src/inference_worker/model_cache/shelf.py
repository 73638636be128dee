"""The models that a worker may run, opened when they are first asked for."""

from dataclasses import dataclass
from pathlib import Path

import torch

from inference_worker.families.family import Family, Model
from inference_worker.families.registry import family_of
from inference_worker.model_cache.part_cache import PartCache
from inference_worker.model_cache.parts import Parts, Prepare
from inference_worker.pipelines.components import resolve_folder
from inference_worker.pipelines.fingerprint import fingerprint


@dataclass(frozen=True)
class OpenedModel:
    """A model, ready to run: its weights come and go with the cache."""

    name: str
    """The folder's own name, which tells people what it is."""
    digest: str
    family: Family
    blocks: Model
    parts: Parts


class Shelf:
    """Opens each model once.

    Args:
        cache: keeps the parts of all models.
        device: where they compute.
        dtype: their number format.
        max_text_tokens: longest prompt; 0: what each model states.
        prepare: what is done to each part once it is on the device.
    """

    def __init__(
        self,
        cache: PartCache,
        *,
        device: torch.device,
        dtype: torch.dtype,
        max_text_tokens: int,
        prepare: Prepare,
    ) -> None:
        self.cache = cache
        self.device = device
        self.dtype = dtype
        self._max_text_tokens = max_text_tokens
        self._prepare = prepare
        self._opened: dict[str, OpenedModel] = {}

    def open(self, source: str) -> OpenedModel:
        """The model of a folder or a hub id.

        Raises:
            ModelLoadError: there is no usable model there.
        """
        opened = self._opened.get(source)
        if opened is None:
            opened = self._opened[source] = self._open(resolve_folder(source))
        return opened

    def _open(self, folder: Path) -> OpenedModel:
        family = family_of(folder)
        parts = Parts(
            folder,
            family.part_classes,
            self.cache,
            device=self.device,
            dtype=self.dtype,
            prepare=self._prepare,
        )
        blocks = family.open(folder, parts, max_text_tokens=self._max_text_tokens)
        return OpenedModel(folder.name, fingerprint(folder), family, blocks, parts)
