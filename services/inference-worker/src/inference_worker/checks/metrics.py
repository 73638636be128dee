"""The metrics that a configuration enables; each network is loaded on first use."""

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from inference_worker.checks.metric import ConsistencyMetric
from inference_worker.checks.ssim import Ssim
from shared.contracts.checks import CheckedEdit, MetricWeights
from shared.errors import InvalidInputError
from shared.flux.kinds import DeviceKind

if TYPE_CHECKING:
    # torch is imported only where it is needed.
    import torch

    from inference_worker.checks.dists import DistsNetwork
    from inference_worker.checks.lpips import LpipsNetwork

_T = TypeVar("_T")


class Metrics:
    """Factory of metrics, with a cache of their networks. Thread-safe; blocks while loading.

    Args:
        weights_dir: folder with classic backbones; None: the packaged ones.
        device: device of the networks.
    """

    def __init__(self, weights_dir: Path | None, device: DeviceKind) -> None:
        self._weights_dir = weights_dir
        self._device_kind = device
        self._loading = threading.Lock()

    def chosen(self, config: CheckedEdit, *, side_px: int) -> list[ConsistencyMetric]:
        """Return the metrics whose thresholds are not 0.

        Args:
            config: the thresholds.
            side_px: the longer side at which edits are made.

        Raises:
            InvalidInputError: this worker does not have the network of a metric.
        """
        metrics: list[ConsistencyMetric] = []
        if config.ssim_threshold:
            metrics.append(Ssim(config.ssim_threshold))
        if config.lpips_threshold:
            network = self._load("lpips_threshold", lambda: self._lpips)
            metrics.append(self._perceptual("lpips", config.lpips_threshold, network, side_px))
        if config.dists_threshold:
            network = self._load("dists_threshold", lambda: self._dists)
            metrics.append(self._perceptual("dists", config.dists_threshold, network, side_px))
        return metrics

    def _load(self, field: str, load: Callable[[], _T]) -> _T:
        try:
            with self._loading:
                return load()
        except FileNotFoundError as error:
            raise InvalidInputError(f"provider_config.{field}: {error}") from error

    def _perceptual(
        self, name: str, threshold: float, network: Any, side_px: int
    ) -> ConsistencyMetric:
        from inference_worker.checks.perceptual import (  # noqa: PLC0415 — imports torch
            PerceptualMetric,
        )

        return PerceptualMetric(name, threshold, network, side_px=side_px, device=self._device)

    @cached_property
    def _device(self) -> "torch.device":
        from shared.flux.device import choose_device  # noqa: PLC0415 — imports torch

        return choose_device(self._device_kind)

    @cached_property
    def _lpips(self) -> "LpipsNetwork":
        from inference_worker.checks.weights import load_lpips  # noqa: PLC0415 — imports torch

        return load_lpips(self._weights_dir, self._device)

    @cached_property
    def _dists(self) -> "DistsNetwork":
        from inference_worker.checks.weights import load_dists  # noqa: PLC0415 — imports torch

        return load_dists(self._weights_dir, self._device)


def weights_of(metrics: Sequence[ConsistencyMetric]) -> MetricWeights:
    """Return the names of the metrics' networks, for the record."""
    return MetricWeights.model_validate({metric.name: metric.weights for metric in metrics})
