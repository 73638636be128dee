"""Errors of models that cannot be opened."""

from shared.errors import PlatformError


class ModelLoadError(PlatformError):
    """A model could not be loaded.

    Args:
        message: the cause; the remedy is added.
        remedy: None: the settings that choose a worker's models.
    """

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(f"{message}. {remedy or _HOW_TO_CHOOSE}")
        self.cause = message


_HOW_TO_CHOOSE = (
    "Set SARTIQ_MODEL_SOURCE and SARTIQ_MODEL_EDITOR_SOURCE to folders in diffusers format or hub"
    " ids, or leave them empty for the packaged models; SARTIQ_INFERENCE_DEVICE and _DTYPE choose"
    " the hardware."
)
