"""The models that a worker may run, opened when they are first asked for."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from inference_worker.families.family import Family, Model
from inference_worker.families.registry import family_of
from inference_worker.lora.adapters import Adapters, ModuleAdapters
from inference_worker.model_cache.part_cache import PartCache
from inference_worker.model_cache.parts import Parts
from inference_worker.pipelines.components import resolve_folder
from inference_worker.pipelines.device import choose_device, choose_dtype, memory_budget_bytes
from inference_worker.pipelines.engine import LoraUse
from inference_worker.pipelines.fingerprint import fingerprint
from inference_worker.settings import InferenceSettings


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
    """Opens each model once, and puts LoRAs on it. The engine's one thread owns it.

    Args:
        settings: hardware, memory and number format.
    """

    def __init__(self, settings: InferenceSettings) -> None:
        self._settings = settings
        self.device = choose_device(settings.device)
        self.dtype = choose_dtype(settings.dtype, self.device)
        self._adapters: dict[str, ModuleAdapters] = {}
        self._opened: dict[str, OpenedModel] = {}
        self.cache = PartCache(
            settings.memory_bytes or memory_budget_bytes(self.device),
            beside_bytes=lambda: sum(found.loaded_bytes for found in self._adapters.values()),
            on_evict=lambda key: self._adapters.pop(key, None),
        )

    def open(self, source: str) -> OpenedModel:
        """The model of a folder or a hub id.

        Raises:
            ModelLoadError: there is no usable model there.
        """
        opened = self._opened.get(source)
        if opened is None:
            opened = self._opened[source] = self._open(resolve_folder(source))
        return opened

    def activate(self, opened: OpenedModel, loras: Sequence[LoraUse]) -> None:
        """Let exactly these LoRAs act on a model, for as long as its parts are held.

        Raises:
            InvalidInputError: one does not fit it; names the field.
            ResourceError: they take more memory than LoRAs may.
        """
        parts, (backbone, text_encoder) = opened.parts, opened.family.lora_parts
        if loras:
            for name in (backbone, text_encoder):
                parts[name]  # it is loaded before room is made for LoRAs on it
            on_backbone, on_text = (self._adapters[parts.key(n)] for n in (backbone, text_encoder))
            Adapters(on_backbone, on_text).activate(loras)
            return
        for name in (backbone, text_encoder):
            if adapters := self._adapters.get(parts.key(name)):
                adapters.mix(())

    def text_variant(self, opened: OpenedModel) -> Hashable:
        """What changes a model's text encoder now: embeddings of one prompt differ by it."""
        _, text_encoder = opened.family.lora_parts
        adapters = self._adapters.get(opened.parts.key(text_encoder))
        return adapters.active if adapters else ()

    def _open(self, folder: Path) -> OpenedModel:
        family = family_of(folder)
        lora_parts = family.lora_parts

        def prepare(key: str, name: str, module: nn.Module) -> nn.Module:
            if name in lora_parts:
                self._adapters[key] = self._new_adapters(name, module)
            return module

        parts = Parts(
            folder,
            family.part_classes,
            self.cache,
            device=self.device,
            dtype=self.dtype,
            prepare=prepare,
        )
        blocks = family.open(folder, parts, max_text_tokens=self._settings.max_text_tokens)
        return OpenedModel(folder.name, fingerprint(folder), family, blocks, parts)

    def _new_adapters(self, name: str, module: nn.Module) -> ModuleAdapters:
        return ModuleAdapters(
            module,
            max_bytes=self._settings.lora_memory_bytes,
            reserve=lambda needed: self.cache.make_room(needed, f"a LoRA on the {name}"),
        )
