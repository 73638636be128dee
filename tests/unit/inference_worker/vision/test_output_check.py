"""The optional check of outputs, with the real classifier."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference_worker.errors import UnsafeOutputError
from inference_worker.vision.models import VisionModels
from inference_worker.vision.output_check import OutputCheck
from inference_worker.vision.settings import VisionSettings
from shared.contracts.enums import ErrorCategory


def test_photographs_of_people_and_things_are_safe(
    models: VisionModels, astronaut: NDArray[np.uint8], coffee: NDArray[np.uint8]
) -> None:
    assert models.nsfw.nsfw_score(astronaut) == pytest.approx(0.032, abs=0.01)
    check = OutputCheck(VisionSettings(nsfw_threshold=0.5), models)

    check.require_safe(Image.fromarray(astronaut), "output 0")
    check.require_safe(Image.fromarray(coffee), "output 1")


def test_picture_over_the_threshold_is_named_as_content_policy(
    models: VisionModels, astronaut: NDArray[np.uint8], coffee: NDArray[np.uint8]
) -> None:
    """The astronaut scores 0.03, the coffee 0.01: a threshold between them refuses one."""
    check = OutputCheck(VisionSettings(nsfw_threshold=0.02), models)

    check.require_safe(Image.fromarray(coffee), "output 0")
    with pytest.raises(UnsafeOutputError, match=r"output 1 is not safe for work") as refusal:
        check.require_safe(Image.fromarray(astronaut), "output 1")

    assert refusal.value.category is ErrorCategory.CONTENT_POLICY


def test_check_is_off_by_default_and_loads_nothing(astronaut: NDArray[np.uint8]) -> None:
    class NoModels:
        """Models that fail to load."""

    check = OutputCheck(VisionSettings(), NoModels())

    check.require_safe(Image.fromarray(astronaut), "output 0")
