"""Where a run of the denoise loop begins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor


class Scheduler(Protocol):
    """`FlowMatchEulerDiscreteScheduler`: holds the schedule of one run."""

    timesteps: Tensor

    def set_begin_index(self, begin_index: int) -> None: ...

    def scale_noise(self, sample: Tensor, timestep: Tensor, noise: Tensor) -> Tensor: ...

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, *, return_dict: bool
    ) -> tuple[Tensor, ...]: ...


@dataclass(frozen=True)
class Context:
    """Pictures that the transformer looks at while it makes another."""

    latents: Tensor  # [1, K, 4C], packed
    ids: Tensor  # [K, 3]: number of the picture from 1, row, column


@dataclass(frozen=True)
class Keep:
    """What is led back to a picture after each step: all but the mask."""

    clean: Tensor  # [1, L, 4C]: the picture's latents
    noise: Tensor  # [1, L, 4C]
    mask: Tensor  # [1, L, 4C], 1 where the picture is painted anew


@dataclass(frozen=True)
class Start:
    """Noise or a noised picture, the schedule from there, and what is looked at on the way."""

    latents: Tensor  # [N, L, 4C], packed; N is 1 but for pictures that run together
    image_ids: Tensor  # [L, 3]: 0, row, column of each token
    timesteps: Tensor  # [S]
    scheduler: Scheduler
    context: Context | None = None
    keep: Keep | None = None

    def within(self, context: Context) -> Self:
        """The same start with pictures to look at."""
        return replace(self, context=context)


def together(starts: Sequence[Start]) -> Start:
    """One run for several pictures of one size and schedule, without contexts and masks."""
    assert all(start.context is None and start.keep is None for start in starts)
    return replace(starts[0], latents=torch.cat([start.latents for start in starts]))
