"""How different two pictures look: LPIPS on an AlexNet that small shifts do not upset.

Architecture: Ghildyal and Liu, "Shift-tolerant Perceptual Similarity Metric", ECCV 2022. The
weights are data of the package `stlpips-pytorch`, whose code is not used.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

_STAGES = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
"""The convolutions of the weights, by name."""
_PADDING = (2, 2, 1, 1, 1)
_WEIGHTS = Path("weights") / "vST0.0" / "alex_shift_tolerant.pth"

Weights = Mapping[str, Tensor]


class Lpips:
    """0 for equal pictures; about 0.1 is hard to see side by side, 0.7 is another picture.

    Args:
        weights: by the names of the package's file.
        device: where it computes.
    """

    def __init__(self, weights: Weights, device: torch.device) -> None:
        self._weights = {name: tensor.to(device) for name, tensor in weights.items()}
        self._device = device

    @torch.inference_mode()
    def __call__(self, one: Image.Image, other: Image.Image) -> float:
        """The distance of two pictures of one size, 32 pixels a side at least."""
        assert one.size == other.size, (one.size, other.size)
        pictures = torch.cat([self._pixels(one), self._pixels(other)])  # [2, 3, H, W], -1…1
        total = 0.0
        for index, features in enumerate(self._features(pictures)):
            norm = features.square().sum(dim=1, keepdim=True).sqrt()
            unit = features / (norm + 1e-10)
            difference = (unit[:1] - unit[1:]).square()
            seen = functional.conv2d(difference, self._weights[f"lin{index}.model.1.weight"])
            total += float(seen.mean())
        return total

    def _features(self, pictures: Tensor) -> list[Tensor]:
        """What each of five stages sees, [2, C, h, w] each."""
        weights = self._weights
        seen = (pictures - weights["scaling_layer.shift"]) / weights["scaling_layer.scale"]
        stages: list[Tensor] = []
        for index, (name, padding) in enumerate(zip(_STAGES, _PADDING, strict=True)):
            if index in {1, 2}:
                pooled = functional.max_pool2d(seen, kernel_size=3, stride=1)
                seen = _halved(pooled, weights[f"net.slice{index + 1}.{(4, 8)[index - 1]}.filt"])
            kernel, bias = weights[f"net.{name}.weight"], weights[f"net.{name}.bias"]
            seen = functional.conv2d(seen, kernel, bias, padding=padding)
            if index == 0:
                seen = _halved(seen, weights["net.slice1.1.filt"])
            seen = functional.relu(seen)
            stages.append(seen)
        return stages

    def _pixels(self, picture: Image.Image) -> Tensor:
        pixels = torch.from_numpy(np.array(picture.convert("RGB")))  # pyright: ignore[reportUnknownMemberType] -- torch leaves it out
        return pixels.to(self._device).permute(2, 0, 1)[None].float() / 127.5 - 1


def installed_weights() -> Weights | None:
    """The package's weights; none where it is not installed."""
    package = find_spec("stlpips_pytorch")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / _WEIGHTS
    return torch.load(path, map_location="cpu", weights_only=True)


def _halved(features: Tensor, kernel: Tensor) -> Tensor:
    """Blurred, so that shifts change little, and every second pixel of it."""
    padded = functional.pad(features, (2, 2, 2, 2), mode="reflect")
    return functional.conv2d(padded, kernel, stride=2, groups=features.shape[1])
