"""LPIPS and DISTS equal their authors' packages on the same weights.

Those packages take their backbones from torchvision, which does not install beside a CPU torch.
Here, a stub module provides the same layers with random weights.
"""

import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from inference_worker.checks.metrics import Metrics
from inference_worker.checks.weights import load_dists, load_lpips
from shared.contracts.checks import CheckedEdit
from shared.flux.kinds import DeviceKind

pytestmark = pytest.mark.models

_CPU = torch.device("cpu")


class _Backbone(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)


def _alexnet() -> _Backbone:
    """Return the feature layers of torchvision's AlexNet (Krizhevsky 2014)."""
    return _Backbone(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
    )


def _vgg16() -> _Backbone:
    """Return the feature layers of torchvision's VGG16 (Simonyan & Zisserman 2014)."""
    layers: list[nn.Module] = []
    channels = 3
    for stage, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(stage):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2, stride=2))
    return _Backbone(*layers)


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, _Backbone]]:
    """The stub backbones for the packages, by name."""
    torch.manual_seed(0)
    backbones = {"alexnet": _alexnet(), "vgg16": _vgg16()}
    models = types.ModuleType("torchvision.models")
    for name, backbone in backbones.items():
        setattr(models, name, lambda *_, backbone=backbone, **__: backbone)
    torchvision = types.ModuleType("torchvision")
    torchvision.models = models  # pyright: ignore[reportAttributeAccessIssue]
    torchvision.transforms = types.ModuleType("torchvision.transforms")  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    yield backbones
    for name in [name for name in sys.modules if name.split(".")[0] in {"lpips", "DISTS_pytorch"}]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    first = torch.rand(2, 3, 96, 80, generator=generator)
    second = (first + 0.2 * torch.randn(2, 3, 96, 80, generator=generator)).clamp(0, 1)
    return first, second


@torch.inference_mode()
def test_lpips_equals_the_authors(
    torchvision: dict[str, _Backbone], pictures: tuple[torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    torch.save(torchvision["alexnet"].state_dict(), tmp_path / "alexnet-0.pth")
    theirs: Any = importlib.import_module("lpips").LPIPS(net="alex", verbose=False)
    ours = load_lpips(tmp_path, _CPU)
    first, second = pictures
    expected = theirs(first, second, normalize=True).flatten()
    assert expected.min() > 1e-3
    torch.testing.assert_close(ours.distance(first, second), expected, atol=1e-5, rtol=0)
    assert ours.origin == "alexnet-0.pth with the heads of LPIPS 0.1"

    theirs.spatial = True
    expected_map = theirs(first, second, normalize=True)[:, 0]
    torch.testing.assert_close(ours.difference_map(first, second), expected_map, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_dists_equals_the_authors(
    torchvision: dict[str, _Backbone],
    pictures: tuple[torch.Tensor, torch.Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_file(torchvision["vgg16"].state_dict(), tmp_path / "vgg16.safetensors")
    module: Any = importlib.import_module("DISTS_pytorch.DISTS_pt")
    # Their package searches for its weights in the environment's root.
    monkeypatch.setattr(module.sys, "prefix", str(Path(module.__file__).parent))
    theirs, ours = module.DISTS(), load_dists(tmp_path, _CPU)
    first, second = pictures
    expected = theirs(first, second)
    assert expected.min() > 1e-3
    torch.testing.assert_close(ours.distance(first, second), expected, atol=1e-5, rtol=0)
    assert ours.origin == "vgg16.safetensors with the channel weights of DISTS"


@torch.inference_mode()
def test_packaged_lpips_equals_recorded_values_of_the_authors() -> None:
    """Computed once by stlpips-pytorch 0.0.2, `LPIPS(net="alex", variant="shift_tolerant")`."""
    first, second = _reference_pictures()
    network = load_lpips(None, _CPU)
    expected = torch.tensor([0.5655807256698608])
    torch.testing.assert_close(network.distance(first, second), expected, atol=1e-5, rtol=0)


def _reference_pictures() -> tuple[torch.Tensor, torch.Tensor]:
    rows, columns = np.mgrid[0:96, 0:80].astype(np.float32)
    waves = 0.5 + 0.4 * np.sin(columns / 5) * np.cos(rows / 7)
    picture = np.stack([waves, waves[:, ::-1], waves[::-1]])
    bent = np.clip(picture + 0.2 * np.sin(rows * columns / 40), 0, 1)
    return torch.from_numpy(picture)[None], torch.from_numpy(bent.astype(np.float32))[None]


def test_given_classic_backbones_are_used(tmp_path: Path) -> None:
    torch.save(_alexnet().state_dict(), tmp_path / "alexnet-owt-7be5be79.pth")
    given, packaged = Metrics(tmp_path, DeviceKind.CPU), Metrics(None, DeviceKind.CPU)
    config = CheckedEdit(ssim_threshold=0, lpips_threshold=0.1, dists_threshold=0.1)
    lpips, dists = given.chosen(config, side_px=64)
    assert str(lpips.weights).startswith("alexnet-owt-7be5be79.pth")
    # The folder has no VGG16, so the packaged one is used.
    assert dists.weights == packaged.chosen(config, side_px=64)[1].weights


def test_given_heads_are_used(tmp_path: Path) -> None:
    torch.save(_alexnet().state_dict(), tmp_path / "alexnet.pth")
    sizes = (64, 192, 384, 256, 256)
    heads = {f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1) for i, c in enumerate(sizes)}
    torch.save(heads, tmp_path / "lpips_alex.pth")
    assert all((head == 1).all() for head in load_lpips(tmp_path, _CPU).heads)
