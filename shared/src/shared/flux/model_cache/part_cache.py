"""A cache of models' parts in memory, within a budget; evicts the least recently used first."""

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
_REMEDY = (
    "SARTIQ_INFERENCE_MEMORY_BYTES sets the budget, SARTIQ_INFERENCE_OFFLOAD=group keeps weights in"
    " the machine's memory"
)


@dataclass(frozen=True)
class CachedPart:
    """A part that can be loaded.

    Attributes:
        key: equal for equal weights: two models that share a part load it once.
        name: for messages: `transformer of FLUX.1-dev`.
        expected_bytes: the memory that it will take; it is freed before the part is loaded.
        load: returns the module, on its device.
    """

    key: str
    name: str
    expected_bytes: int
    load: Callable[[], nn.Module]


class PartCache:
    """A least-recently-used cache of parts. Parts in use are never evicted.

    Not thread-safe: the engine's one thread owns it.

    Args:
        budget_bytes: returns the memory that all parts may take, attached memory included.
        attached_bytes: returns the memory that is attached to parts and freed with them: LoRAs.
        free_attached: frees some attached memory that is not in use and was last used before a time
            (`time.monotonic`); returns False if there is none.
        on_evict: called with the key of an evicted part.
        remedy: a sentence on what to do where a part does not fit.
    """

    def __init__(
        self,
        budget_bytes: Callable[[], int],
        *,
        attached_bytes: Callable[[], int] = lambda: 0,
        free_attached: Callable[[float], bool] = lambda _: False,
        on_evict: Callable[[str], object] = lambda _: None,
        remedy: str = _REMEDY,
    ) -> None:
        self._remedy = remedy
        self._budget_bytes = budget_bytes
        self._attached_bytes = attached_bytes
        self._free_attached = free_attached
        self._on_evict = on_evict
        self._modules: OrderedDict[str, nn.Module] = OrderedDict()
        self._used_at: dict[str, float] = {}
        self._held: list[set[str]] = []
        self._pinned: set[str] = set()
        self.num_loads = 0
        """The number of loads since the start."""

    @property
    def used_bytes(self) -> int:
        """The memory of parts and of what is attached to them, measured."""
        return sum(map(module_bytes, self._modules.values())) + self._attached_bytes()

    def get(self, part: CachedPart) -> nn.Module:
        """Return a part's module, loaded if need be. It stays until the end of a `hold` block.

        Raises:
            ResourceError: it does not fit into the budget beside what is in use.
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
        """Return True where a part is loaded."""
        return key in self._modules

    @contextmanager
    def hold(self) -> Generator[None]:
        """Keep every part that the block gets until the block ends."""
        self._held.append(set())
        try:
            yield
        finally:
            self._held.pop()

    def pin(self, key: str) -> None:
        """Keep a loaded part for good: it was changed, and loading it again would not do."""
        assert key in self._modules, key
        self._pinned.add(key)

    def make_room(self, needed_bytes: int, name: str) -> None:
        """Evict parts until so much more fits into the budget.

        Args:
            needed_bytes: the memory to free.
            name: what needs it, for the message.

        Raises:
            ResourceError: parts in use leave too little.
        """
        held = self._in_use
        idle = [key for key in self._modules if key not in held]
        budget_bytes = self._budget_bytes()
        while self.used_bytes + needed_bytes > budget_bytes:
            if self._free_attached(self._used_at[idle[0]] if idle else math.inf):
                continue
            if not idle:
                raise ResourceError(
                    f"{name} needs {needed_bytes // _MIB} MiB; of the {budget_bytes // _MIB} MiB"
                    f" for models {self.used_bytes // _MIB} are in use. {self._remedy}"
                )
            self._evict(idle.pop(0))

    def clear(self) -> None:
        """Evict every part that is not in use."""
        held = self._in_use
        for key in [key for key in self._modules if key not in held]:
            self._evict(key)

    @property
    def _in_use(self) -> set[str]:
        return self._pinned.union(*self._held)

    def _evict(self, key: str) -> None:
        del self._modules[key], self._used_at[key]
        self._on_evict(key)
        gc.collect()  # modules refer to themselves, so that reference counts alone free nothing
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        _log.info("part_evicted", part=key)


def module_bytes(module: nn.Module) -> int:
    """Return the memory of a module's weights, shared storages counted once."""
    storages: dict[int, int] = {}
    for tensor in chain(module.parameters(), module.buffers()):
        start, size = _storage(tensor)
        storages[start] = size
    return sum(storages.values())


def _storage(tensor: Tensor) -> tuple[int, int]:
    try:
        storage = tensor.untyped_storage()
        return storage.data_ptr() or id(tensor), storage.nbytes()
    except (RuntimeError, NotImplementedError):  # a quantised tensor is no single storage
        return id(tensor), tensor.numel() * tensor.element_size()
