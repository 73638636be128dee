"""Random numbers of a training: a pure function of seed, step and micro-batch.

Nothing random is saved, samples and measurements cannot disturb a training, and a resumed one draws
what the unbroken one would have drawn.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from shared.flux.flow_matching import draw_logit_normal_sigmas
from shared.flux.pipeline.prepare import cpu_generator

_SEEDS_PER_RUN = 1_000_003
_MAX_SEED = 2**64


@dataclass(frozen=True)
class Draws:
    """The random numbers of one micro-batch, on the CPU.

    Attributes:
        drops_caption: [B], true where the item is trained with the empty caption.
        sigmas: noise levels, [B].
        noise: [B, C, h, w].
    """

    drops_caption: Tensor
    sigmas: Tensor
    noise: Tensor


def step_seed(seed: int, position: int) -> int:
    """Return the seed of a micro-batch.

    Args:
        seed: of the training.
        position: step times accumulation, plus the micro-batch.
    """
    return (seed * _SEEDS_PER_RUN + position) % _MAX_SEED


def draw(seed: int, shape: torch.Size, *, shift: float, dropout: float) -> Draws:
    """Draw the random numbers of one micro-batch.

    Args:
        seed: of the micro-batch.
        shape: of its latents, [B, C, h, w].
        shift: of its noise levels.
        dropout: probability of the empty caption.
    """
    generator = cpu_generator(seed)
    return Draws(
        drops_caption=torch.rand(shape[0], generator=generator) < dropout,
        sigmas=draw_logit_normal_sigmas(shape[0], shift, generator),
        noise=torch.randn(shape, generator=generator),
    )


def seed_default_generator(seed: int, device: torch.device) -> None:
    """Seed what draws without a generator of its own, such as a model's dropout.

    `torch.manual_seed` also formats the call stack for each kind of device that was never used,
    which on a CPU takes a millisecond of every step.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
