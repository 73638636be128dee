"""A trained model and its file."""

import pytest

from tests.fixtures.small_trainer import SmallModel


@pytest.fixture(scope="package")
def model() -> SmallModel:
    model = SmallModel()
    model.draw(1)
    return model
