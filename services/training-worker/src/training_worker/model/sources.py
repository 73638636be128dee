"""The base model that a training names, as this worker opens it."""

from shared.contracts.training import DEFAULT_BASE_MODEL
from shared.errors import InvalidInputError
from shared.flux.packaged import packaged_model
from shared.settings import ModelSettings, TrainingSettings


def base_model_source(name: str, trainings: TrainingSettings, model: ModelSettings) -> str:
    """Return the folder or hub id of a base model.

    Args:
        name: as in the request.
        trainings: the models that requests may name.
        model: the default model.

    Raises:
        InvalidInputError: this worker does not know the name.
    """
    if source := trainings.base_models.get(name):
        return source
    if name == DEFAULT_BASE_MODEL:
        return model.source or str(packaged_model())
    known = ", ".join(sorted(trainings.known_base_models))
    raise InvalidInputError(
        f"base_model_path: this worker does not know {name!r}; known are {known}"
        " (SARTIQ_TRAINING_BASE_MODELS)",
        is_final=True,
    )
