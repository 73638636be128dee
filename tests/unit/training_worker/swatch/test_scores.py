import pytest
import torch

from training_worker.swatch.colouring import Colour, colour_pictures
from training_worker.swatch.data import Split
from training_worker.swatch.scores import NearestGarments, grey_28

pytestmark = pytest.mark.models


def wardrobe() -> Split:
    """Six wide and six tall garments, classes 0 and 1."""
    pictures = torch.zeros(12, 28, 28, dtype=torch.uint8)
    pictures[:6, 10:18, 2:26] = 200
    pictures[6:, 2:26, 10:18] = 200
    return Split(pictures=pictures, labels=torch.tensor([0] * 6 + [1] * 6))


def test_garments_are_recognised_in_any_colour() -> None:
    split = wardrobe()
    colours = [Colour.RED, Colour.BLACK]
    images = colour_pictures(split.pictures[[0, 6]], colours, torch.Generator().manual_seed(0))
    assert NearestGarments(split).classify(images).tolist() == [0, 1]


def test_colouring_can_be_undone() -> None:
    pictures = wardrobe().pictures[:1]
    images = colour_pictures(pictures, [Colour.PURPLE], torch.Generator().manual_seed(0))
    grey = grey_28(images)
    assert grey.shape == (1, 28, 28)
    assert grey[0, 14, 14] > 250
    assert grey[0, 2, 2] < 5
