"""The models of a worker, opened when they are first needed."""

from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog
import torch
from torch import nn

from inference_worker.lora.adapters import ModuleAdapters
from inference_worker.lora.mixing import SlotPlan
from inference_worker.profiles.hardware import detect_hardware
from inference_worker.profiles.plan import ExecutionPlan, next_level
from inference_worker.profiles.preparation import prepare_part
from inference_worker.profiles.resolve import resolve_plan
from inference_worker.settings import InferenceSettings, OffloadKind
from shared.flux.device import choose_device, choose_dtype, memory_budget_bytes
from shared.flux.engine import LoraUse
from shared.flux.families.family import Family, Model
from shared.flux.families.registry import family_of
from shared.flux.fingerprint import fingerprint
from shared.flux.lora.reading import LoraParts, Pairs, changed_parts
from shared.flux.model_cache.model_parts import FolderParts
from shared.flux.model_cache.part_cache import PartCache, module_bytes
from shared.flux.pipeline.components import resolve_folder

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class OpenedModel:
    """A model that is ready to run; the cache loads and evicts its weights.

    Attributes:
        name: the folder's name, for people.
        digest: of the folder's content.
        family: its family.
        model: its pipeline.
        parts: its weights.
    """

    name: str
    digest: str
    family: Family
    model: Model
    parts: FolderParts


class ModelStore:
    """Opens each model once, and activates LoRAs on it. The engine's one thread owns it.

    Args:
        settings: hardware, profile, memory and number format.
        plan: optimisations; None: those of the settings' profile.

    Raises:
        ModelLoadError: this machine cannot run the profile.
    """

    def __init__(self, settings: InferenceSettings, plan: ExecutionPlan | None = None) -> None:
        self._settings = settings
        self.device = choose_device(settings.device)
        self.dtype = choose_dtype(settings.dtype, self.device)
        self.plan = plan or resolve_plan(settings, detect_hardware(self.device), self.dtype)
        self._adapters: dict[str, ModuleAdapters] = {}
        self._opened: dict[str, OpenedModel] = {}
        self.cache = PartCache(
            self._budget_bytes,
            free_attached=lambda before: any(a.drop_idle(before) for a in self._adapters.values()),
            attached_bytes=lambda: sum(found.loaded_bytes for found in self._adapters.values()),
            on_evict=lambda key: self._adapters.pop(key, None),
        )

    def open(self, source: str) -> OpenedModel:
        """Return the model of a folder or a hub id.

        Raises:
            ModelLoadError: there is no usable model.
        """
        opened = self._opened.get(source)
        if opened is None:
            opened = self._opened[source] = self._open(resolve_folder(source))
        return opened

    @contextmanager
    def encoding(self, opened: OpenedModel, loras: Sequence[LoraUse]) -> Generator[Hashable]:
        """Activate LoRAs on the text encoders while the block encodes prompts.

        No encoder is evicted meanwhile.

        Yields:
            The LoRAs that change the encoders: embeddings of one prompt depend on them.

        Raises:
            InvalidInputError: a LoRA does not fit the model; names the field.
            ResourceError: the LoRAs exceed their memory.
        """
        names = [name for name in opened.family.lora_parts if name != opened.family.backbone]
        with self.cache.hold():
            for name in names:
                # A part that no LoRA changes is not loaded for them.
                changing = [use for use in loras if use.weight and name in changed_parts(use)]
                self._activate(opened.parts, name, changing)
            found = {name: self._adapters.get(opened.parts.key(name)) for name in names}
            # An evicted encoder has no LoRAs when it is loaded again.
            yield tuple((name, own.active) for name, own in found.items() if own and own.active)

    @contextmanager
    def denoising(self, opened: OpenedModel, loras: Sequence[LoraUse]) -> Generator[None]:
        """Activate LoRAs on the denoiser while the block prepares, denoises and decodes.

        No part that the block uses is evicted meanwhile.

        Raises:
            InvalidInputError: a LoRA does not fit the model; names the field.
            ResourceError: the LoRAs exceed their memory.
        """
        with self.cache.hold():
            self._activate(opened.parts, opened.family.backbone, loras)
            yield

    def _activate(self, parts: FolderParts, name: str, loras: Sequence[LoraUse]) -> None:
        if loras:
            parts.load(name)  # before memory is freed for LoRAs on it
        if adapters := self._adapters.get(parts.key(name)):
            adapters.activate(loras)

    def step_down(self) -> bool:
        """Evict all parts, and load them under the next plan that takes less memory.

        Returns:
            False where there is no such plan.
        """
        lower = next_level(self.plan)
        self.cache.clear()
        if lower is None:
            return False
        _log.warning("memory_stepped_down", plan=str(lower))
        self.plan = lower
        return True

    def _budget_bytes(self) -> int:
        """Return the budget of the memory that holds weights: the machine's where they offload."""
        is_offloaded = self.plan.offload is not OffloadKind.NONE
        holder = torch.device("cpu") if is_offloaded else self.device
        return self._settings.memory_bytes or memory_budget_bytes(holder)

    def _open(self, folder: Path) -> OpenedModel:
        family = family_of(folder)

        def prepare(key: str, name: str, module: nn.Module) -> nn.Module:
            return self._prepare(key, name, module, family.lora_parts.get(name))

        parts = FolderParts(
            folder,
            family.part_classes,
            self.cache,
            device=self.device,
            dtype=self.dtype,
            prepare=prepare,
        )
        model = family.open(folder, parts, max_text_tokens=self._settings.max_text_tokens)
        return OpenedModel(folder.name, fingerprint(folder), family, model, parts)

    def _prepare(
        self,
        key: str,
        name: str,
        module: nn.Module,
        lora_part: Callable[[LoraParts], Pairs] | None,
    ) -> nn.Module:
        own_bytes = module_bytes(module)

        def reserve(needed_bytes: int) -> None:
            # The cache does not count the module before it is loaded.
            unseen_bytes = 0 if self.cache.has(key) else own_bytes
            self.cache.make_room(unseen_bytes + needed_bytes, f"LoRAs on the {name}")

        def add_adapters(target: nn.Module, slots: SlotPlan | None = None) -> None:
            assert lora_part is not None
            self._adapters[key] = ModuleAdapters(
                target,
                lora_part,
                max_bytes=self._settings.lora_memory_bytes,
                reserve=reserve,
                slots=slots,
            )

        def add_slots(target: nn.Module) -> None:
            settings = self._settings
            add_adapters(target, SlotPlan(settings.lora_slots, settings.lora_target_rank))

        if self.plan.offload is OffloadKind.NONE:
            module = module.to(self.device)
        try:
            module = prepare_part(name, module, self.plan, self.device, add_lora_slots=add_slots)
        except BaseException:
            self._adapters.pop(key, None)
            raise
        if lora_part is not None and key not in self._adapters:
            add_adapters(module)
        return module
