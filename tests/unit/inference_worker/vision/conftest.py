"""The packaged models, loaded once, and photographs of scikit-image."""

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from inference_worker.vision.models import VisionModels
from inference_worker.vision.settings import VisionSettings


@pytest.fixture(scope="session")
def models() -> VisionModels:
    return VisionModels(VisionSettings(threads=2))


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    return np.ascontiguousarray(data.astronaut())


@pytest.fixture(scope="session")
def coffee() -> NDArray[np.uint8]:
    return np.ascontiguousarray(data.coffee())
