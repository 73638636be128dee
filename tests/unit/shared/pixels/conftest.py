"""A picture for the tests of pixels."""

import pytest
from PIL import Image

from tests.fixtures.pictures import noisy_photo


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    return noisy_photo()
