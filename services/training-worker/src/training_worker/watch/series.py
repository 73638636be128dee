"""A series of losses of bounded length: neighbours are averaged once there are too many."""

from collections.abc import Sequence
from typing import Any

_SMOOTHED_SHARE = 0.02


class Series:
    """Mean losses over runs of equally many steps.

    Args:
        max_points: an even number; the series has half to all of so many points.
    """

    def __init__(self, max_points: int = 2000) -> None:
        self._max_points = max_points
        self._stride = 1
        self._losses: list[float] = []
        self._last_step = 0
        self._sum = 0.0
        self._num_summed = 0

    def add(self, step: int, loss: float) -> None:
        """Add the loss of the next step."""
        self._last_step = step
        self._sum += loss
        self._num_summed += 1
        if self._num_summed < self._stride:
            return
        self._losses.append(float(f"{self._sum / self._num_summed:.6g}"))  # short in the state
        self._sum, self._num_summed = 0.0, 0
        if len(self._losses) >= self._max_points:
            pairs = zip(self._losses[::2], self._losses[1::2], strict=True)
            self._losses = [(first + second) / 2 for first, second in pairs]
            self._stride *= 2

    @property
    def steps(self) -> list[int]:
        """The last step of each point."""
        first = self._last_step - self._num_summed - (len(self._losses) - 1) * self._stride
        return [first + number * self._stride for number in range(len(self._losses))]

    @property
    def losses(self) -> list[float]:
        """The mean loss of each point."""
        return self._losses

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return {
            "stride": self._stride,
            "losses": self._losses,
            "last_step": self._last_step,
            "sum": self._sum,
            "num_summed": self._num_summed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self._stride, self._losses = state["stride"], list(state["losses"])
        self._last_step = state["last_step"]
        self._sum, self._num_summed = state["sum"], state["num_summed"]


def smoothed(losses: Sequence[float]) -> list[float]:
    """Return the running mean of losses, whose weights fall over 2 % of their number."""
    keep = 1 - 1 / max(5.0, len(losses) * _SMOOTHED_SHARE)
    means: list[float] = []
    total = weight = 0.0
    for loss in losses:
        total, weight = keep * total + loss, keep * weight + 1
        means.append(total / weight)
    return means
