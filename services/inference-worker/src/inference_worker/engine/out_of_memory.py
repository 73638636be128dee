"""What happens when the device's memory does not suffice."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from shared.errors import ResourceError

_T = TypeVar("_T")
_OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


def run_or_step_down(work: Callable[[], _T], step_down: Callable[[], bool]) -> _T:
    """Do the work; where memory does not suffice, step down one level and do it once more.

    Args:
        work: may be done twice.
        step_down: makes it take less memory; answers whether it can.

    Raises:
        ResourceError: it does not suffice for the second try either, or there is no lower level.
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
