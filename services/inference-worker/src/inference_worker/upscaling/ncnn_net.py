"""Typed access to ncnn, whose bindings have no type annotations."""

from pathlib import Path
from threading import Lock
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from shared.errors import ResourceError


class NcnnNet:
    """A loaded network. Thread-safe; runs are serialised, to bound memory to that of one.

    Args:
        param: file of its structure.
        model: file of its weights.
        threads: CPU threads of one run.

    Raises:
        ValueError: ncnn cannot read the files.
    """

    def __init__(self, param: Path, model: Path, *, threads: int) -> None:
        runtime: Any = ncnn
        self._mat: Any = runtime.Mat
        self._net: Any = runtime.Net()
        self._net.opt.num_threads = threads
        self._net.opt.use_vulkan_compute = False
        if self._net.load_param(str(param)) or self._net.load_model(str(model)):
            raise ValueError(f"ncnn cannot read {param} with {model}")
        # Own pools can be cleared: ncnn's default ones keep the memory of the largest run.
        self._pools: list[Any] = [runtime.PoolAllocator(), runtime.PoolAllocator()]
        self._lock = Lock()

    def run(self, tensor: NDArray[np.float32], *, start: str, stop: str) -> NDArray[np.float32]:
        """Run a tensor [C, H, W] through the network, from blob `start` to blob `stop`.

        Raises:
            ResourceError: ncnn failed, for lack of memory or of a blob of that name.
        """
        # Mat(array) borrows the array's memory without a reference: keep the array, and copy.
        contiguous = np.ascontiguousarray(tensor)
        source = self._mat(contiguous).clone()
        with self._lock:
            try:
                return self._extract(source, start, stop)
            finally:
                for pool in self._pools:
                    pool.clear()

    def _extract(self, source: Any, start: str, stop: str) -> NDArray[np.float32]:
        extractor = self._net.create_extractor()
        extractor.set_blob_allocator(self._pools[0])
        extractor.set_workspace_allocator(self._pools[1])
        failed = extractor.input(start, source)
        code, result = extractor.extract(stop)
        if failed or code:
            raise ResourceError(f"ncnn stopped between {start} and {stop}: {failed or code}")
        return np.array(result)
