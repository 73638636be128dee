"""The one door to onnxruntime, which has no types of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_ERRORS_ONLY = 3


class OnnxModel:
    """A model that is opened once and run by any thread.

    Args:
        source: its file, or what was in it.
        threads: CPU threads of one run.
    """

    def __init__(self, source: Path | bytes, *, threads: int) -> None:
        runtime: Any = onnxruntime
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Its arena would keep what the largest picture took.
        options.enable_cpu_mem_arena = False
        model = source if isinstance(source, bytes) else str(source)
        providers = [
            name
            for name in ("CUDAExecutionProvider", "CPUExecutionProvider")
            if name in runtime.get_available_providers()
        ]
        self._session: Any = runtime.InferenceSession(model, options, providers=providers)
        self.input_names: list[str] = [entry.name for entry in self._session.get_inputs()]

    def run(
        self, *inputs: NDArray[Any], outputs: Sequence[str] | None = None
    ) -> list[NDArray[np.float32]]:
        """The outputs for inputs in the model's own order; all of them, or those named."""
        feed = dict(zip(self.input_names, inputs, strict=True))
        return self._session.run(outputs, feed)
