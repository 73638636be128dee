"""Keeps the parts of models in memory, within a budget; the least recently used leave first."""

import gc
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import structlog
import torch
from torch import Tensor, nn

from shared.errors import ResourceError

_log = structlog.stdlib.get_logger(__name__)
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Part:
    """A part that can be loaded.

    Args:
        key: equal for equal weights: two models that share a part load it once.
        name: for messages: `transformer of FLUX.1-dev`.
        expected_bytes: what it will take; room for it is made before it is loaded.
        load: gives the module, on its device.
    """

    key: str
    name: str
    expected_bytes: int
    load: Callable[[], nn.Module]


class PartCache:
    """Least recently used parts leave when another needs their room; those in use never.

    Not thread-safe: the engine's one thread owns it.

    Args:
        budget_bytes: says what all parts may take together, and what lies beside them.
        beside_bytes: what lies beside them now, and leaves with them: their LoRAs.
        free_beside: lets some of that go that nobody wants now and that was last used before a time
            (`time.monotonic`); answers whether there was any.
        on_evict: hears the key of a part that leaves.
    """

    def __init__(
        self,
        budget_bytes: Callable[[], int],
        *,
        beside_bytes: Callable[[], int] = lambda: 0,
        free_beside: Callable[[float], bool] = lambda _: False,
        on_evict: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._budget_bytes = budget_bytes
        self._beside_bytes = beside_bytes
        self._free_beside = free_beside
        self._on_evict = on_evict
        self._modules: OrderedDict[str, nn.Module] = OrderedDict()
        self._used_at: dict[str, float] = {}
        self._held: list[set[str]] = []
        self.num_loads = 0
        """How often a part was loaded, since the start."""

    @property
    def used_bytes(self) -> int:
        """What the parts and what lies beside them take now, measured."""
        return sum(map(module_bytes, self._modules.values())) + self._beside_bytes()

    def get(self, part: Part) -> nn.Module:
        """A part's module; it is loaded if need be, and stays while a `hold` lasts.

        Raises:
            ResourceError: it fits into the budget not even when all else has left.
        """
        module = self._modules.get(part.key)
        if module is None:
            self.make_room(part.expected_bytes, part.name)
            module = part.load()
            self._modules[part.key] = module
            self.num_loads += 1
            _log.info("part_loaded", part=part.name, mib=module_bytes(module) // _MIB)
        self._modules.move_to_end(part.key)
        self._used_at[part.key] = time.monotonic()
        if self._held:
            self._held[-1].add(part.key)
        return module

    def has(self, key: str) -> bool:
        """Whether a part is loaded."""
        return key in self._modules

    @contextmanager
    def hold(self) -> Generator[None]:
        """No part that is asked for within it leaves before its end."""
        self._held.append(set())
        try:
            yield
        finally:
            self._held.pop()

    def make_room(self, needed_bytes: int, name: str) -> None:
        """Let parts leave until so much more fits into the budget.

        Raises:
            ResourceError: what is in use leaves too little room.
        """
        held = {key for keys in self._held for key in keys}
        idle = [key for key in self._modules if key not in held]
        budget_bytes = self._budget_bytes()
        while self.used_bytes + needed_bytes > budget_bytes:
            if self._free_beside(self._used_at[idle[0]] if idle else math.inf):
                continue
            if not idle:
                raise ResourceError(
                    f"{name} needs {needed_bytes // _MIB} MiB; of the {budget_bytes // _MIB} MiB"
                    f" for models {self.used_bytes // _MIB} are in use."
                    " SARTIQ_INFERENCE_MEMORY_BYTES sets the budget, SARTIQ_INFERENCE_OFFLOAD=group"
                    " keeps weights in the machine's memory"
                )
            self._evict(idle.pop(0))

    def clear(self) -> None:
        """Let everything leave that is not in use."""
        held = {key for keys in self._held for key in keys}
        for key in [key for key in self._modules if key not in held]:
            self._evict(key)

    def _evict(self, key: str) -> None:
        del self._modules[key], self._used_at[key]
        self._on_evict(key)
        gc.collect()  # modules refer to themselves; without it, their memory would stay a while
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _log.info("part_evicted", part=key)


def module_bytes(module: nn.Module) -> int:
    """What a module's weights take, shared storages counted once."""
    storages: dict[int, int] = {}
    for tensor in chain(module.parameters(), module.buffers()):
        start, size = _storage(tensor)
        storages[start] = size
    return sum(storages.values())


def _storage(tensor: Tensor) -> tuple[int, int]:
    try:
        storage = tensor.untyped_storage()
        return storage.data_ptr() or id(tensor), storage.nbytes()
    except (RuntimeError, NotImplementedError):  # quantised ones are no single storage
        return id(tensor), tensor.numel() * tensor.element_size()
