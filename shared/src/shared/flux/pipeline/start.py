"""The start of a denoise loop: latents, schedule, context pictures and inpainting mask."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor

from shared.flux.pipeline.latents import pack, position_ids


class Scheduler(Protocol):
    """`FlowMatchEulerDiscreteScheduler`, which holds the schedule of one run."""

    timesteps: Tensor

    def set_begin_index(self, begin_index: int) -> None: ...

    def scale_noise(self, sample: Tensor, timestep: Tensor, noise: Tensor) -> Tensor: ...

    def step(
        self, model_output: Tensor, timestep: Tensor, sample: Tensor, *, return_dict: bool
    ) -> tuple[Tensor, ...]: ...


@dataclass(frozen=True)
class Context:
    """Pictures that the transformer attends to while it denoises another.

    Attributes:
        latents: packed, [N, K, 4C].
        ids: number of the picture from 1, row and column of each token, [K, 3].
    """

    latents: Tensor
    ids: Tensor

    @classmethod
    def of(cls, pictures: Sequence[Tensor]) -> Self:
        """Put scaled latents, each [N, C, h, w], one after the other along the sequence."""
        ids = [
            position_ids(latents.shape[2], latents.shape[3], picture=number)
            for number, latents in enumerate(pictures, start=1)
        ]
        packed = torch.cat([pack(latents) for latents in pictures], dim=1)
        return cls(packed, torch.cat(ids).to(packed.device, packed.dtype))


@dataclass(frozen=True)
class InpaintMask:
    """The part of a picture that a run may change; the rest is restored after each step.

    Attributes:
        clean: the picture's latents, [1, L, 4C].
        noise: the noise that the run begins with, [1, L, 4C].
        mask: 1 where the picture may change, [1, L, 4C].
    """

    clean: Tensor
    noise: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Start:
    """Noise or a noised picture, and the rest of the schedule.

    Attributes:
        latents: packed, [N, L, 4C]; N is 1 unless several pictures run as one batch.
        image_ids: 0, row and column of each token, [L, 3].
        timesteps: [S], descending, of 1000.
        scheduler: makes the steps.
        context: pictures to attend to.
        inpaint: the part that may change; None: all of it.
    """

    latents: Tensor
    image_ids: Tensor
    timesteps: Tensor
    scheduler: Scheduler
    context: Context | None = None
    inpaint: InpaintMask | None = None

    def with_context(self, context: Context) -> Self:
        """Return the same start with pictures to attend to."""
        return replace(self, context=context)


def batch_starts(starts: Sequence[Start]) -> Start:
    """Join pictures of one size and schedule, without contexts and masks, into one run."""
    assert all(start.context is None and start.inpaint is None for start in starts)
    return replace(starts[0], latents=torch.cat([start.latents for start in starts]))
