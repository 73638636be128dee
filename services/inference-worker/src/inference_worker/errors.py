"""What can go wrong in this worker beyond the platform's own errors."""

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError


class Cancelled(PlatformError):  # noqa: N818 — says what happened; it is no fault
    """Work was told to stop, and did so between two of its steps."""

    category = ErrorCategory.CANCELLED


class ModelLoadError(PlatformError):
    """The model could not be loaded.

    Args:
        message: what is wrong with it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}. {_HOW_TO_CHOOSE}")


_HOW_TO_CHOOSE = (
    "Set SARTIQ_MODEL_SOURCE and SARTIQ_MODEL_EDITOR_SOURCE to folders in diffusers format or hub"
    " ids, or leave them empty for the packaged models; SARTIQ_INFERENCE_DEVICE and _DTYPE choose"
    " the hardware."
)


class MissingWeightsError(PlatformError):
    """A model that ships in a package is not on this worker.

    Args:
        file: the model's file.
        distribution: the package that carries it.
    """

    def __init__(self, file: str, distribution: str) -> None:
        super().__init__(
            f"the model {file} is not installed. Install the package {distribution} as it stands in"
            " services/inference-worker/weights.txt (`make install` does), or put the file into"
            " the folder that SARTIQ_VISION_MODEL_DIR names."
        )


class UnsafeOutputError(PlatformError):
    """A picture that was made may not be handed out; another try with the request is no use.

    Args:
        name: which picture: `output 0`, `tile 003`.
        score: the classifier's, 0 to 1.
        threshold: from which score on pictures are refused.
    """

    category = ErrorCategory.CONTENT_POLICY

    def __init__(self, name: str, score: float, threshold: float) -> None:
        super().__init__(
            f"{name} is not safe for work: it scores {score:.2f}, and from"
            f" {threshold:g} on none is handed out (SARTIQ_VISION_NSFW_THRESHOLD)"
        )
