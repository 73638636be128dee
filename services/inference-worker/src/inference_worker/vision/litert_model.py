"""Typed access to LiteRT, for models that are only available as .tflite."""

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

_MOST_THREADS = 2
"""These models run for milliseconds: starting more threads would take longer than they save."""


class LiteRtModel:
    """A loaded model. Thread-safe; runs are serialised, since the interpreter has one state.

    Args:
        path: its file.
        threads: CPU threads of one run.
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        threads = min(threads, _MOST_THREADS)
        self._interpreter: Any = Interpreter(model_path=str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input: int = self._interpreter.get_input_details()[0]["index"]
        self._outputs: list[int] = [
            details["index"] for details in self._interpreter.get_output_details()
        ]
        self._lock = Lock()

    def run(self, tensor: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return the outputs for one input, in the model's order."""
        with self._lock:
            self._interpreter.set_tensor(self._input, tensor)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in self._outputs]
