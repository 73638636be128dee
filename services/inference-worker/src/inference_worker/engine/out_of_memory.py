"""Recovery from exhausted device memory."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from shared.errors import ResourceError

_T = TypeVar("_T")
_OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


def run_or_step_down(work: Callable[[], _T], step_down: Callable[[], bool]) -> _T:
    """Run work; if memory runs out, step down one level and run it once more.

    Args:
        work: may run twice.
        step_down: makes the work take less memory; returns False if it cannot.

    Raises:
        ResourceError: memory ran out on the second try too, or there is no lower level.
    """
    try:
        return work()
    except _OUT_OF_MEMORY as error:
        if not step_down():
            raise _exhausted(error) from error
    # Only here are the first try's tensors gone, which its error's traceback held.
    gc.collect()
    torch.cuda.empty_cache()
    try:
        return work()
    except _OUT_OF_MEMORY as error:
        raise _exhausted(error) from error


def _exhausted(error: BaseException) -> ResourceError:
    return ResourceError(f"the device ran out of memory: {error}")
