"""A training's steps down when memory runs out. A batch is never skipped."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from shared.errors import ResourceError
from training_worker.loop.log_lines import Say, say_nothing
from training_worker.loop.trainable import TrainableModel

_T = TypeVar("_T")
_STEPPED_DOWN = "memory ran out; {}"
OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


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
            ResourceError: memory ran out again.
        """
        try:
            return work()
        except OUT_OF_MEMORY as error:
            if self._has_stepped_down:
                raise _exhausted() from error
            self._step_down()
        # Only here are the failed pass's tensors gone, which its error's traceback held.
        collect_garbage()
        try:
            return work()
        except OUT_OF_MEMORY as error:
            raise _exhausted() from error

    def _step_down(self) -> None:
        """Evict the encoders and the VAE, and take less for each pass where that is possible."""
        self._has_stepped_down = True
        self._model.free_memory()
        if not self._model.uses_checkpointing:
            self._model.use_checkpointing()
            self._say(_STEPPED_DOWN.format("from now on activations are recomputed"))
        elif self.items_per_pass > 1:
            self.items_per_pass = 1
            self._say(_STEPPED_DOWN.format("from now on batches are accumulated item by item"))
        else:
            self._say(_STEPPED_DOWN.format("the encoders have left it"))


def collect_garbage() -> None:
    """Free what nothing refers to any more: modules refer to themselves."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _exhausted() -> ResourceError:
    return ResourceError(
        "the device ran out of memory, also with less of it in use. Give a lower rank, lower"
        " resolutions or a smaller batch, or a larger device",
        is_final=True,
    )
