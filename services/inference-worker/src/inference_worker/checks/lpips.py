"""LPIPS (Zhang et al. 2018, arXiv:1801.03924) over AlexNet, classic or shift-tolerant.

The shift-tolerant network (Ghildyal & Liu 2022, arXiv:2207.13686) convolves with stride 1 and blurs
before each downsampling. Written from the papers and the layout of the weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 — its usual name
from torch import Tensor

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_EPSILON = 1e-10
_PADDINGS = (2, 2, 1, 1, 1)
_POOLED_BEFORE = (1, 2)
_CLASSIC_STRIDE = 4


@dataclass(frozen=True)
class LpipsNetwork:
    """AlexNet's five convolutions, and a linear head for each.

    Attributes:
        convolutions: weight and bias of each, [out, in, k, k] and [out].
        heads: weight of each channel, [1, C, 1, 1].
        is_shift_tolerant: downsamples by blurs with stride; else torchvision's AlexNet.
        origin: source of the weights, for the record.
    """

    convolutions: Sequence[tuple[Tensor, Tensor]]
    heads: Sequence[Tensor]
    is_shift_tolerant: bool
    origin: str

    def differences(self, first: Tensor, second: Tensor) -> list[Tensor]:
        """Return the weighted squared difference of the features at each depth, [N, 1, h, w].

        Args:
            first: [N, 3, H, W], 0 to 1.
            second: the same shape and range.
        """
        features = self._features(torch.cat([first, second]))
        differences: list[Tensor] = []
        for feature, head in zip(features, self.heads, strict=True):
            norm = feature.pow(2).sum(dim=1, keepdim=True).sqrt() + _EPSILON
            one, other = (feature / norm).chunk(2)
            differences.append(F.conv2d((one - other).pow(2), head))
        return differences

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distances [N], 0 for equal pictures."""
        means = [depth.mean(dim=(1, 2, 3)) for depth in self.differences(first, second)]
        return torch.stack(means).sum(dim=0)

    def difference_map(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the map of differences [N, H, W]; its mean is about the distance."""
        size = first.shape[-2:]
        maps = [
            F.interpolate(depth, size, mode="bilinear", align_corners=False)
            for depth in self.differences(first, second)
        ]
        return torch.stack(maps).sum(dim=0)[:, 0]

    def _features(self, pictures: Tensor) -> list[Tensor]:
        mean, std = pictures.new_tensor([_MEAN, _STD])[:, :, None, None]
        hidden = (pictures - mean) / std
        features: list[Tensor] = []
        for depth, (weight, bias) in enumerate(self.convolutions):
            if depth in _POOLED_BEFORE:
                hidden = self._pool(hidden)
            stride = 1 if depth or self.is_shift_tolerant else _CLASSIC_STRIDE
            hidden = F.conv2d(hidden, weight, bias, stride=stride, padding=_PADDINGS[depth])
            if depth == 0 and self.is_shift_tolerant:
                hidden = _blur_and_halve(hidden)
            hidden = F.relu(hidden)
            features.append(hidden)
        return features

    def _pool(self, hidden: Tensor) -> Tensor:
        if self.is_shift_tolerant:
            return _blur_and_halve(F.max_pool2d(hidden, 3, stride=1))
        return F.max_pool2d(hidden, 3, stride=2)


def _blur_and_halve(hidden: Tensor) -> Tensor:
    """Blur by a 3 × 3 binomial kernel with stride 2, after reflection padding of 2 pixels."""
    row = hidden.new_tensor([0.25, 0.5, 0.25])
    channels = hidden.shape[1]
    kernel = torch.outer(row, row).expand(channels, 1, 3, 3)
    return F.conv2d(F.pad(hidden, (2, 2, 2, 2), "reflect"), kernel, stride=2, groups=channels)
