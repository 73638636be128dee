"""The packaged network, loaded once, and a photograph of scikit-image."""

import pytest
from PIL import Image
from skimage import data

from inference_worker.upscaling.real_esrgan import RealEsrgan
from inference_worker.upscaling.upscalers import Upscalers
from inference_worker.vision.settings import VisionSettings
from shared.contracts.refinement import UpscalerKind


@pytest.fixture(scope="session")
def real_esrgan() -> RealEsrgan:
    opened = Upscalers(VisionSettings(threads=2)).open(UpscalerKind.REAL_ESRGAN)
    assert isinstance(opened, RealEsrgan)
    return opened


@pytest.fixture(scope="session")
def face() -> Image.Image:
    """A photograph of the astronaut, 192 × 192 pixels."""
    return Image.fromarray(data.astronaut()).crop((128, 10, 320, 202))
