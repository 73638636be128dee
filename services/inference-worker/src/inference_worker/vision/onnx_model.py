"""The one door to onnxruntime, which has no types of its own."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_ERRORS_ONLY = 3


class OnnxModel:
    """A model that is opened once and run by any thread, one picture at a time.

    A picture alone then has every core, and many take the memory of one.

    Args:
        source: its file, or what was in it.
        threads: CPU threads of one run.
        keeps_memory: what a run took stays for the next one. Without it each run has its pages
            given anew, a fifth of the time of a small model; with it, inputs of one small size
            alone are fit.
    """

    def __init__(self, source: Path | bytes, *, threads: int, keeps_memory: bool = False) -> None:
        runtime: Any = onnxruntime
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Beside others' work, a thread that spins while it waits takes a core from it.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = keeps_memory
        # A pattern is one more block of what a run takes, beside what the arena keeps.
        options.enable_mem_pattern = not keeps_memory
        model = source if isinstance(source, bytes) else str(source)
        providers = [
            name
            for name in ("CUDAExecutionProvider", "CPUExecutionProvider")
            if name in runtime.get_available_providers()
        ]
        self._session: Any = runtime.InferenceSession(model, options, providers=providers)
        self._turn = Lock()
        self.input_names: list[str] = [entry.name for entry in self._session.get_inputs()]

    def run(
        self, *inputs: NDArray[Any], outputs: Sequence[str] | None = None
    ) -> list[NDArray[np.float32]]:
        """The outputs for inputs in the model's own order; all of them, or those named."""
        feed = dict(zip(self.input_names, inputs, strict=True))
        with self._turn:
            return self._session.run(outputs, feed)
