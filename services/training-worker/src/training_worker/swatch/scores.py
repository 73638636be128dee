"""Measures of pictures: class of the garment, hue, and similarity to another picture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import color, metrics
from torch import Tensor
from torch.nn import functional

from training_worker.swatch.colouring import HSV, HUES, Colour
from training_worker.swatch.data import Split

_structural_similarity = cast(
    Callable[..., float],
    metrics.structural_similarity,  # pyright: ignore[reportUnknownMemberType]
)
_rgb2hsv = cast(
    Callable[[NDArray[np.float32]], NDArray[np.float32]],
    color.rgb2hsv,  # pyright: ignore[reportUnknownMemberType]
)

_NUM_NEIGHBOURS = 5
_MIN_CHROMA = 0.2
_MIN_GARMENT_SHARE = 0.01
_MIN_CONTRAST = 0.25


@dataclass(frozen=True)
class NearestGarments:
    """Classifier by the five nearest neighbours in the training set."""

    split: Split

    def classify(self, images: Tensor) -> Tensor:
        """Return the classes [B] of pictures [B, 3, 64, 64], values -1 to 1."""
        ours = grey_28(images).flatten(1)
        theirs = self.split.pictures.float().flatten(1)
        nearest = torch.cdist(ours, theirs).topk(_NUM_NEIGHBOURS, largest=False).indices
        return self.split.labels[nearest].mode(dim=1).values


def grey_28(images: Tensor) -> Tensor:
    """Undo the colouring: distance from the background's brightness, [B, 28, 28], 0 to 255."""
    brightness = functional.avg_pool2d(images.mean(dim=1), 2)
    corner = brightness[:, :2, :2].flatten(1).median(dim=1).values
    ink = (brightness - corner[:, None, None]).abs()[:, 2:-2, 2:-2]
    full = ink.flatten(1).quantile(0.98, dim=1).clamp(min=1e-3)
    return 255 * (ink / full[:, None, None]).clamp(max=1)


def nearest_hue(image: Tensor) -> Colour | None:
    """Return the most frequent nearest hue of garment pixels of [3, H, W]; None for greys."""
    rgb = (image.clamp(-1, 1) + 1) / 2
    is_garment = rgb.amax(0) - rgb.amin(0) > _MIN_CHROMA
    if is_garment.float().mean() < _MIN_GARMENT_SHARE:
        return None
    pixels = rgb.permute(1, 2, 0)[is_garment].numpy()
    hues = 360 * _rgb2hsv(pixels)[:, 0]
    centres = np.array([HSV[colour][0] for colour in HUES])
    distance = np.abs((hues[:, None] - centres + 180) % 360 - 180)
    votes = np.bincount(distance.argmin(axis=1), minlength=len(HUES))
    return HUES[int(votes.argmax())]


def silhouettes(images: Tensor) -> Tensor:
    """Return the garment's pixels: bool [B, H, W] where [B, 3, H, W] differs from its corner."""
    corner = images[:, :, :4, :4].flatten(2).median(dim=2).values
    return (images - corner[:, :, None, None]).abs().amax(dim=1) > _MIN_CONTRAST


def shape_overlap(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return the IoU of the silhouettes of pictures [B, 3, H, W]: [B], 0 to 1."""
    left, right = silhouettes(ours).flatten(1), silhouettes(theirs).flatten(1)
    return (left & right).sum(1) / (left | right).sum(1).clamp(min=1)


def ink_correlation(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return the correlation of the grey values of pictures [B, 3, 64, 64]: [B], -1 to 1."""
    left, right = (grey_28(images).flatten(1) for images in (ours, theirs))
    left, right = left - left.mean(1, keepdim=True), right - right.mean(1, keepdim=True)
    return functional.cosine_similarity(left, right)


def similarity(left: Tensor, right: Tensor) -> float:
    """Return the SSIM of two pictures [3, H, W], values -1 to 1."""
    ours, theirs = (_as_array(picture) for picture in (left, right))
    return float(_structural_similarity(ours, theirs, channel_axis=2, data_range=2))


def _as_array(picture: Tensor) -> NDArray[np.float32]:
    return picture.clamp(-1, 1).permute(1, 2, 0).numpy()
