"""Errors of base models."""

from shared.flux.errors import ModelLoadError

_REMEDY = (
    "Name another base model in base_model_path; SARTIQ_TRAINING_BASE_MODELS maps names to folders"
    " in diffusers format or hub ids"
)


def base_model_error(cause: str) -> ModelLoadError:
    """Return the error of a base model that cannot be opened or trained."""
    return ModelLoadError(cause, remedy=_REMEDY)
