"""Typed access to onnxruntime, which ships no type annotations."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

_ERRORS_ONLY = 3


class OnnxModel:
    """A loaded model. Thread-safe; runs are serialised.

    A single picture can then use every core, and many pictures need the memory of one.

    Args:
        source: its file, or the file's content.
        threads: CPU threads of one run.
        keeps_memory: keep the memory of a run for the next one. Without it, each run allocates
            pages again, a fifth of a small model's time; with it, only inputs of one small size
            are suitable.
    """

    def __init__(self, source: Path | bytes, *, threads: int, keeps_memory: bool = False) -> None:
        runtime: Any = onnxruntime
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # A thread that spins while it waits would take a core from other work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_cpu_mem_arena = keeps_memory
        # A memory pattern would allocate one more block beside the arena.
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
        """Return the outputs (all, or those named) for inputs in the model's order."""
        feed = dict(zip(self.input_names, inputs, strict=True))
        with self._turn:
            return self._session.run(outputs, feed)
