"""The distance's form on random weights; its figures, where the weights are installed."""

import pytest
import torch
from PIL import Image, ImageFilter

from inference_worker.lpips import Lpips, Weights, installed_weights

_CPU = torch.device("cpu")


def random_weights() -> dict[str, torch.Tensor]:
    """As the package has them, by name and shape."""
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "net.slice1.0": (64, 3, 11, 11),
        "net.slice2.5": (192, 64, 5, 5),
        "net.slice3.9": (384, 192, 3, 3),
        "net.slice4.11": (256, 384, 3, 3),
        "net.slice5.13": (256, 256, 3, 3),
    }
    weights = {
        "scaling_layer.shift": torch.tensor([-0.03, -0.088, -0.188]).view(1, 3, 1, 1),
        "scaling_layer.scale": torch.tensor([0.458, 0.448, 0.45]).view(1, 3, 1, 1),
    }
    blur = torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([1.0, 2, 1])) / 16
    for name, channels in (("1.1", 64), ("2.4", 64), ("3.8", 192)):
        weights[f"net.slice{name}.filt"] = blur.repeat(channels, 1, 1, 1)
    for index, (name, shape) in enumerate(shapes.items()):
        fan_in = shape[1] * shape[2] * shape[3]
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
        weights[f"{name}.bias"] = torch.zeros(shape[0])
        lin = torch.rand(1, shape[0], 1, 1, generator=generator)
        weights[f"lin{index}.model.1.weight"] = lin
    return weights


@pytest.fixture(scope="module")
def distance() -> Lpips:
    return Lpips(random_weights(), _CPU)


def test_equal_pictures_have_no_distance(distance: Lpips, photo: Image.Image) -> None:
    assert distance(photo, photo.copy()) == 0


def test_distance_is_symmetric_and_grows_with_blur(distance: Lpips, photo: Image.Image) -> None:
    slightly, strongly = (photo.filter(ImageFilter.GaussianBlur(sigma)) for sigma in (1, 4))
    assert distance(photo, slightly) == pytest.approx(distance(slightly, photo), rel=1e-5)
    assert 0 < distance(photo, slightly) < distance(photo, strongly)


_INSTALLED: Weights | None = installed_weights()


@pytest.mark.skipif(_INSTALLED is None, reason="stlpips-pytorch, data only, is not installed")
def test_installed_weights_find_a_shift_small_and_a_blur_large(photo: Image.Image) -> None:
    assert _INSTALLED is not None
    distance = Lpips(_INSTALLED, _CPU)
    shifted = photo.crop((1, 0, 96, 72)), photo.crop((0, 0, 95, 72))
    assert distance(*shifted) < 0.1
    assert distance(photo, photo.filter(ImageFilter.GaussianBlur(4))) > 0.2
