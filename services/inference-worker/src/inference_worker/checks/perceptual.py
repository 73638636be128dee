"""LPIPS and DISTS as `ConsistencyMetric`, on pictures resized for their networks."""

import threading
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from inference_worker.checks.dists import DistsNetwork
from inference_worker.checks.lpips import LpipsNetwork
from inference_worker.checks.metric import Pixels

_LEAST_SIDE_PX = 64
"""Side of the patches in LPIPS' human judgements; the networks' last features need as much."""
_LONGEST_SIDE_PX = 512
"""Larger pictures are shrunk to this, to bound time and memory."""
_ONE_BATCH = threading.Lock()
"""Held for one batch at a time, to bound memory."""


class PerceptualMetric:
    """`ConsistencyMetric` by a network.

    Args:
        name: `lpips` or `dists`.
        threshold: greatest distance that passes.
        network: computes the distances.
        side_px: longer side of the edits; there is nothing to compare at a higher resolution.
        device: device of the network.
    """

    is_similarity = False

    def __init__(
        self,
        name: str,
        threshold: float,
        network: LpipsNetwork | DistsNetwork,
        *,
        side_px: int,
        device: torch.device,
    ) -> None:
        self.name = name
        self.threshold = threshold
        self.weights = network.origin
        self._network = network
        self._longest_px = min(side_px, _LONGEST_SIDE_PX)
        self._device = device

    @torch.inference_mode()
    def scores(self, sources: Sequence[Pixels], edits: Sequence[Pixels]) -> list[float]:
        with _ONE_BATCH:
            distances = self._network.distance(self._batch(sources), self._batch(edits))
        return [float(distance) for distance in distances]

    @torch.inference_mode()
    def difference(self, source: Pixels, edited: Pixels) -> NDArray[np.float32] | None:
        if isinstance(self._network, DistsNetwork):
            return None
        with _ONE_BATCH:
            found = self._network.difference_map(self._batch([source]), self._batch([edited]))
        map_ = Image.fromarray(found[0].cpu().numpy())
        return np.asarray(
            map_.resize((source.shape[1], source.shape[0]), Image.Resampling.BILINEAR)
        )

    def _batch(self, pictures: Sequence[Pixels]) -> Tensor:
        """Stack pictures into a tensor [N, 3, H, W], 0 to 1."""
        resized = np.stack([self._resized(pixels) for pixels in pictures])
        tensor = torch.from_numpy(resized)  # pyright: ignore[reportUnknownMemberType]
        tensor = tensor.to(self._device, torch.float32)
        return tensor.permute(0, 3, 1, 2) / 255

    def _resized(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        scale = min(self._longest_px / max(width, height), 1)
        # Each side separately: in proportion, a narrow strip would become extremely long.
        size = max(round(width * scale), _LEAST_SIDE_PX), max(round(height * scale), _LEAST_SIDE_PX)
        if size == (width, height):
            return pixels
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
