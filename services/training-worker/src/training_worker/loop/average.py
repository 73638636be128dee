"""Averaged weights: the exponential moving average that becomes the result."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn  # pyright: ignore[reportUnknownVariableType]


def decay_at(update: int, decay: float) -> float:
    """Return the decay of an update, counted from 1: small first, so that the start is forgotten.

    min(decay, (1 + k) / (10 + k)), as in TensorFlow's `ExponentialMovingAverage`.
    """
    return min(decay, (1 + update) / (10 + update))


class AveragedWeights:
    """The average of some parameters over the steps.

    Args:
        parameters: by name.
        decay: 0: no average; the averaged weights are the raw ones.
    """

    def __init__(self, parameters: Mapping[str, Tensor], decay: float) -> None:
        self._parameters = parameters
        self._decay = decay
        self._own = {name: value.detach().clone() for name, value in parameters.items()}

    @property
    def is_on(self) -> bool:
        """True where there is an average."""
        return self._decay > 0

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The averaged weights, or the raw ones."""
        if self.is_on:
            return self._own
        return {name: value.detach() for name, value in self._parameters.items()}

    @torch.no_grad()
    def update(self, num_updates: int) -> None:
        """Take in the parameters after an update of the optimizer, the first of which is 1."""
        if self.is_on:
            average = cast(Any, get_ema_multi_avg_fn)(decay_at(num_updates, self._decay))
            average([*self._own.values()], [*self._parameters.values()], num_updates)

    @contextmanager
    def applied(self) -> Generator[None]:
        """Put the averaged weights into the parameters while the block runs."""
        if not self.is_on:
            yield
            return
        raw = {name: value.detach().clone() for name, value in self._parameters.items()}
        self._copy(self._own)
        try:
            yield
        finally:
            self._copy(raw)

    @torch.no_grad()
    def _copy(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])
