"""LPIPS and DISTS as metrics: pictures in, scores out, at the size their networks are to see."""

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
"""The side of the patches that people judged for LPIPS; the networks' last features need it."""
_LONGEST_SIDE_PX = 512
"""Bounds time and memory: larger pictures are shrunk to it."""
_TURNS = threading.Lock()
"""One batch at a time, so that memory is bounded by one."""


class PerceptualMetric:
    """Implements `ConsistencyMetric` by a network.

    Args:
        name: `lpips` or `dists`.
        threshold: greatest distance that passes.
        network: judges.
        side_px: the resolution of the edits that are judged: what an editor changes at this size
            needs no closer look.
        device: where the network is.
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
        with _TURNS:
            distances = self._network.distance(self._batch(sources), self._batch(edits))
        return [float(distance) for distance in distances]

    @torch.inference_mode()
    def difference(self, source: Pixels, edited: Pixels) -> NDArray[np.float32] | None:
        if isinstance(self._network, DistsNetwork):
            return None
        with _TURNS:
            found = self._network.difference_map(self._batch([source]), self._batch([edited]))
        map_ = Image.fromarray(found[0].cpu().numpy())
        return np.asarray(
            map_.resize((source.shape[1], source.shape[0]), Image.Resampling.BILINEAR)
        )

    def _batch(self, pictures: Sequence[Pixels]) -> Tensor:
        """[N, 3, H, W], 0 to 1."""
        shown = np.stack([self._shown(pixels) for pixels in pictures])
        tensor = torch.from_numpy(shown)  # pyright: ignore[reportUnknownMemberType]
        tensor = tensor.to(self._device, torch.float32)
        return tensor.permute(0, 3, 1, 2) / 255

    def _shown(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        scale = min(self._longest_px / max(width, height), 1)
        # Each side by itself: in proportion, a strip would become as long as it is thin.
        size = max(round(width * scale), _LEAST_SIDE_PX), max(round(height * scale), _LEAST_SIDE_PX)
        if size == (width, height):
            return pixels
        return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
