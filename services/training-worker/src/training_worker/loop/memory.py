"""A training's steps down when memory runs out. A batch is never skipped."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from shared.errors import ResourceError
from training_worker.loop.log_lines import Say, say_nothing
from training_worker.loop.trainable import TrainableModel

_T = TypeVar("_T")
_STEPPED_DOWN = "memory ran out; from now on {}"
_OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


class MemoryLevels:
    """The memory that passes take; steps down once, then gives up.

    Args:
        model: recomputes activations after a step down, unless it does already.
        batch_size: items of a pass at most.
        say: takes a line for the training's log.
    """

    def __init__(self, model: TrainableModel, batch_size: int, say: Say = say_nothing) -> None:
        self._model = model
        self._say = say
        self._has_stepped_down = False
        self.items_per_pass = batch_size
        """Items of one forward pass; a batch of more is accumulated."""

    def run(self, work: Callable[[], _T]) -> _T:
        """Run passes that change no weights; where memory runs out, once more with less.

        Raises:
            ResourceError: memory ran out again, or there is no way to take less.
        """
        try:
            return work()
        except _OUT_OF_MEMORY as error:
            if self._has_stepped_down or not self._step_down():
                raise _exhausted(error) from error
        # Only here are the failed pass's tensors gone, which its error's traceback held.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            return work()
        except _OUT_OF_MEMORY as error:
            raise _exhausted(error) from error

    def _step_down(self) -> bool:
        self._has_stepped_down = True
        self._model.free_memory()
        if not self._model.uses_checkpointing:
            self._model.use_checkpointing()
            self._say(_STEPPED_DOWN.format("activations are recomputed"))
            return True
        if self.items_per_pass > 1:
            self.items_per_pass = 1
            self._say(_STEPPED_DOWN.format("batches are accumulated item by item"))
            return True
        return False


def _exhausted(error: BaseException) -> ResourceError:
    return ResourceError(
        f"the device ran out of memory, also with less of it in use: {error}. Give a lower rank,"
        " lower resolutions or a smaller batch, or a larger device"
    )
