"""DISTS (Ding et al. 2020, arXiv:2004.07728) over VGG16: texture by means, structure by covariance.

Written from the paper and checked against its authors' package.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 — its usual name
from torch import Tensor

STAGES = (2, 2, 3, 3, 3)
"""Convolutions of each of VGG16's stages."""
CHANNELS = (3, 64, 128, 256, 512, 512)
"""Channels of the picture and of each stage."""
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
_EPSILON = 1e-6


@dataclass(frozen=True)
class DistsNetwork:
    """VGG16's thirteen convolutions, and a weight for each channel's two comparisons.

    Attributes:
        convolutions: weight and bias of each.
        alphas: weights of the means, [1, C, 1, 1] for the picture and each stage.
        betas: weights of the covariances, the same; all weights sum to 1.
        origin: source of the weights, for the record.
    """

    convolutions: Sequence[tuple[Tensor, Tensor]]
    alphas: Sequence[Tensor]
    betas: Sequence[Tensor]
    origin: str

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distances [N]: 0 for equal pictures, about 1 for unrelated ones.

        Args:
            first: [N, 3, H, W], 0 to 1.
            second: the same shape and range.
        """
        features = self._features(torch.cat([first, second]))
        similarity = first.new_zeros(first.shape[0])
        for feature, alpha, beta in zip(features, self.alphas, self.betas, strict=True):
            texture, structure = _compare(*feature.chunk(2))
            similarity += (alpha * texture + beta * structure).sum(dim=(1, 2, 3))
        return 1 - similarity

    def _features(self, pictures: Tensor) -> list[Tensor]:
        mean, std = pictures.new_tensor([_MEAN, _STD])[:, :, None, None]
        hidden = (pictures - mean) / std
        features = [pictures]
        convolutions = iter(self.convolutions)
        for stage, num_convolutions in enumerate(STAGES):
            if stage:
                hidden = _l2_pool(hidden)
            for _ in range(num_convolutions):
                weight, bias = next(convolutions)
                hidden = F.relu(F.conv2d(hidden, weight, bias, padding=1))
            features.append(hidden)
        return features


def _compare(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return the similarities of means and of structure, [N, C, 1, 1] each."""
    places = (2, 3)
    mean, mean2 = one.mean(places, keepdim=True), other.mean(places, keepdim=True)
    variance = (one - mean).pow(2).mean(places, keepdim=True)
    variance2 = (other - mean2).pow(2).mean(places, keepdim=True)
    covariance = (one * other).mean(places, keepdim=True) - mean * mean2
    texture = (2 * mean * mean2 + _EPSILON) / (mean.pow(2) + mean2.pow(2) + _EPSILON)
    structure = (2 * covariance + _EPSILON) / (variance + variance2 + _EPSILON)
    return texture, structure


def _l2_pool(hidden: Tensor) -> Tensor:
    """Pool by the root of the blurred squares, with stride 2."""
    row = hidden.new_tensor([0.25, 0.5, 0.25])
    channels = hidden.shape[1]
    kernel = torch.outer(row, row).expand(channels, 1, 3, 3)
    squares = F.conv2d(hidden.pow(2), kernel, stride=2, padding=1, groups=channels)
    return (squares + 1e-12).sqrt()
