"""The one door to ncnn, whose types are its bindings' own."""

from pathlib import Path
from threading import Lock
from typing import Any

import ncnn
import numpy as np
from numpy.typing import NDArray

from shared.errors import ResourceError


class NcnnNet:
    """A network that is opened once; threads take turns, so that memory is that of one run.

    Args:
        param: its structure.
        model: its weights.
        threads: CPU threads of one run.
    """

    def __init__(self, param: Path, model: Path, *, threads: int) -> None:
        runtime: Any = ncnn
        self._mat: Any = runtime.Mat
        self._net: Any = runtime.Net()
        self._net.opt.num_threads = threads
        self._net.opt.use_vulkan_compute = False
        if self._net.load_param(str(param)) or self._net.load_model(str(model)):
            raise ValueError(f"ncnn cannot read {param} with {model}")
        # Pools of our own can be emptied: ncnn's keep what the largest run took.
        self._pools: list[Any] = [runtime.PoolAllocator(), runtime.PoolAllocator()]
        self._lock = Lock()

    def run(self, tensor: NDArray[np.float32], *, start: str, stop: str) -> NDArray[np.float32]:
        """What the network makes of a tensor [C, H, W] between two of its blobs.

        Raises:
            ResourceError: ncnn gave up, for want of memory or of a blob of that name.
        """
        # Mat(array) points into the array without keeping it: it has a name, and is copied.
        whole = np.ascontiguousarray(tensor)
        source = self._mat(whole).clone()
        with self._lock:
            try:
                return self._extracted(source, start, stop)
            finally:
                for pool in self._pools:
                    pool.clear()

    def _extracted(self, source: Any, start: str, stop: str) -> NDArray[np.float32]:
        extractor = self._net.create_extractor()
        extractor.set_blob_allocator(self._pools[0])
        extractor.set_workspace_allocator(self._pools[1])
        failed = extractor.input(start, source)
        code, answer = extractor.extract(stop)
        if failed or code:
            raise ResourceError(f"ncnn stopped between {start} and {stop}: {failed or code}")
        return np.array(answer)
