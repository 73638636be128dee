"""LoRAs on a model in memory: loaded once, bounded in bytes, mixed by their weights."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
import torch
from torch import nn

from inference_worker.lora.mixing import HookMixer, Mixer, SlotMixer, SlotPlan
from shared.contracts.capabilities import lora_weight_field
from shared.contracts.generation import MAX_LORA_WEIGHT
from shared.errors import InvalidInputError, ResourceError
from shared.flux.engine import LoraUse
from shared.flux.lora.reading import LoraParts, Pair, Pairs, read_lora
from shared.flux.lora.targets import check_fit, find_targets, linear_layers, place

_log = structlog.stdlib.get_logger(__name__)

_FLOATS = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Weighted:
    """An active LoRA, by its digest, and its weight."""

    sha256: str
    weight: float


class ModuleAdapters:
    """The LoRAs of one module. Calls must not overlap.

    Args:
        module: a transformer or a text encoder; it keeps its layers as long as this object lives.
        part: returns the pairs of a file that change it.
        max_bytes: limit of loaded LoRAs; the least recently used are evicted.
        reserve: frees so many bytes among all models in memory, or raises `ResourceError`.
        slots: memory to allocate for LoRAs, for a module that is compiled afterwards; None: LoRAs
            of every rank, for a module that is not compiled.
    """

    def __init__(
        self,
        module: nn.Module,
        part: Callable[[LoraParts], Pairs],
        *,
        max_bytes: int,
        reserve: Callable[[int], None] = lambda _: None,
        slots: SlotPlan | None = None,
    ) -> None:
        self._module = module
        self._part = part
        self._max_bytes = max_bytes
        self._reserve = reserve
        self._layers = linear_layers(module)
        self._targets = find_targets(self._layers)
        self._dtype = _dtype_of(module)
        self._mixer: Mixer = (
            SlotMixer(self._layers, slots, self._targets, self._dtype, reserve)
            if slots
            else HookMixer(self._layers)
        )
        self._loaded: OrderedDict[str, Pairs] = OrderedDict()
        self._used_at: dict[str, float] = {}
        self._kept: frozenset[str] = frozenset()
        self._active: tuple[Weighted, ...] = ()
        self._is_changed = False
        self._lock = threading.RLock()

    @property
    def loaded_bytes(self) -> int:
        """The memory of loaded LoRAs, active or not, without slots."""
        return sum(map(_size_bytes, self._loaded.values()))

    @property
    def slot_bytes(self) -> int:
        """The memory of the slots, which are always allocated."""
        return self._mixer.size_bytes if isinstance(self._mixer, SlotMixer) else 0

    @property
    def active(self) -> tuple[Weighted, ...]:
        """The LoRAs that change this module's output now."""
        return self._active

    def activate(self, loras: Sequence[LoraUse]) -> None:
        """Activate exactly these LoRAs; without any, or with weights of 0, there is no change.

        The weights of a file that is named twice add up.

        Raises:
            InvalidInputError: a file is no LoRA, or of another model, or its weight is out of
                bounds; names the field.
            ResourceError: together they exceed the memory of LoRAs.
        """
        for lora in loras:
            _check_weight(lora)
        uses, mix = _summed(loras)
        self._kept = frozenset(use.sha256 for use in uses)
        # LoRAs are loaded outside of inference mode in every case: compiled modules distinguish
        # such tensors.
        with torch.inference_mode(mode=False), torch.no_grad():
            try:
                missing = [lora for lora in uses if lora.sha256 not in self._loaded]
                if missing:
                    self._mix(())  # releases LoRAs that are evicted
                for lora in missing:
                    self._load(lora)
                self._mix(mix)
            except BaseException:
                self._mix(())
                raise

    def _check(self, pairs: Pairs, field: str) -> Pairs:
        """Return the pairs by this module's layer names.

        Raises:
            InvalidInputError: they do not fit; names the field and the layer.
        """
        fitting = check_fit(pairs, self._module, self._targets, field)
        self._mixer.check(fitting, self._targets, field)
        return fitting

    def drop_idle(self, before: float = math.inf) -> bool:
        """Evict the least recently used LoRA that is not in use.

        Args:
            before: evict it only if it was last used before this time of `time.monotonic`.

        Returns:
            False where there was none.
        """
        with self._lock:
            for sha256, pairs in self._loaded.items():
                if sha256 not in self._kept and pairs:
                    is_older = self._used_at.get(sha256, 0) < before
                    if is_older:
                        del self._loaded[sha256]
                    return is_older
        return False

    def _load(self, lora: LoraUse) -> None:
        """Load a LoRA to the module's device, completely or not at all."""
        pairs = self._check(self._part(read_lora(lora)), lora.field)
        placed = place(pairs, self._targets, self._layers)
        item_bytes = self._dtype.itemsize
        needed_bytes = sum((p.down.numel() + p.up.numel()) * item_bytes for p in placed.values())
        with self._lock:
            self._make_room(lora, needed_bytes)
            moved = {
                name: _moved(pair, self._layers[name].weight.device, self._dtype)
                for name, pair in placed.items()
            }
            for name, pair in moved.items():
                if not (pair.down.isfinite().all() and pair.up.isfinite().all()):
                    raise InvalidInputError(
                        f"{lora.field}: its matrices for {name} are not finite in {self._dtype}"
                    )
            self._loaded[lora.sha256] = moved
        if needed_bytes:
            _log.info("lora_loaded", sha256=lora.sha256, size_bytes=needed_bytes)

    def _mix(self, loras: Sequence[Weighted]) -> None:
        """Activate exactly these loaded LoRAs."""
        with self._lock:
            acting = [lora for lora in loras if self._loaded[lora.sha256]]
            for lora in loras:
                self._loaded.move_to_end(lora.sha256)
                self._used_at[lora.sha256] = time.monotonic()
            for lora in acting:
                self._move_to_module(lora.sha256)
            self._active = ()
            if acting or self._is_changed:
                self._is_changed = True
                self._mixer.mix([(self._loaded[lora.sha256], lora.weight) for lora in acting])
                self._is_changed = bool(acting)
            self._active = tuple(acting)

    def _make_room(self, lora: LoraUse, needed_bytes: int) -> None:
        while self.loaded_bytes + needed_bytes > self._max_bytes:
            if not self.drop_idle():
                free_bytes = self._max_bytes - self.loaded_bytes
                raise ResourceError(
                    f"{lora.field}: its LoRA takes {needed_bytes} bytes, {free_bytes} are left "
                    "beside the others of this request (SARTIQ_INFERENCE_LORA_MEMORY_BYTES)"
                )
        self._reserve(needed_bytes)

    def _move_to_module(self, sha256: str) -> None:
        """Move a LoRA to the module's device, which may have changed since it was loaded."""
        pairs = self._loaded[sha256]
        device = self._layers[next(iter(pairs))].weight.device
        if next(iter(pairs.values())).down.device != device:
            self._loaded[sha256] = {
                name: _moved(pair, device, self._dtype) for name, pair in pairs.items()
            }


def _check_weight(lora: LoraUse) -> None:
    if not abs(lora.weight) <= MAX_LORA_WEIGHT:  # so that NaN fails too
        raise InvalidInputError(
            f"{lora_weight_field(lora.field)}: {lora.weight} is not from {-MAX_LORA_WEIGHT} to "
            f"{MAX_LORA_WEIGHT}"
        )


def _summed(loras: Sequence[LoraUse]) -> tuple[list[LoraUse], list[Weighted]]:
    """Return one use of each file with a weight, in order, and the sums of their weights."""
    weights: dict[str, float] = {}
    for lora in loras:
        weights[lora.sha256] = weights.get(lora.sha256, 0) + lora.weight
    first = {lora.sha256: lora for lora in reversed(loras)}
    mix = [Weighted(sha256, weight) for sha256, weight in weights.items() if weight]
    return [first[lora.sha256] for lora in mix], mix


def _dtype_of(module: nn.Module) -> torch.dtype:
    """Return the number format of a module."""
    dtypes = (parameter.dtype for parameter in module.parameters())
    return next((dtype for dtype in dtypes if dtype in _FLOATS), torch.float32)


def _moved(pair: Pair, device: torch.device, dtype: torch.dtype) -> Pair:
    """Return a copy on a device: a view would keep a larger tensor in memory."""
    down, up = (matrix.to(device, dtype, copy=True).contiguous() for matrix in (pair.down, pair.up))
    return Pair(down, up)


def _size_bytes(pairs: Pairs) -> int:
    return sum(pair.size_bytes for pair in pairs.values())
