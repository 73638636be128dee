"""Errors of trainings as their clients read them.

Texts of libraries, and those on models, have folders of the worker. They are for its operators, who
find them as the cause of what the client reads.
"""

from shared.errors import PlatformError, ResourceError
from shared.flux.errors import ModelLoadError
from training_worker.loop.memory import OUT_OF_MEMORY

_UNUSABLE = (
    "base_model_path: this worker cannot load or train the base model; name another one, or ask"
    " the operators, who find the cause in the worker's log"
)
_NO_MEMORY = (
    "the device ran out of memory. Give a lower rank, lower resolutions or a smaller batch, or a"
    " larger device"
)


def client_error(error: Exception) -> Exception:
    """Return the error that the client reads; the same one where its text is fit for it."""
    if isinstance(error, ModelLoadError):
        return PlatformError(_UNUSABLE, category=error.category)
    if isinstance(error, OUT_OF_MEMORY):
        return ResourceError(_NO_MEMORY)
    if isinstance(error, OSError):
        fault = error.strerror or type(error).__name__
        return ResourceError(f"the training worker cannot read or write its files: {fault}")
    return error
