"""Flow matching: noise levels, and the straight path from a picture to noise that FLUX learns.

At the noise level sigma, 0 to 1, latents are (1 - sigma) · clean + sigma · noise, and the model
predicts their velocity along sigma, noise - clean (Esser et al., "Scaling Rectified Flow
Transformers for High-Resolution Image Synthesis", 2024). For sampling, diffusers'
`FlowMatchEulerDiscreteScheduler` does the same.
"""

import math

import torch
from torch import Tensor

_FEWEST_TOKENS, _LEAST_MU = 256, 0.5
_MOST_TOKENS, _GREATEST_MU = 4096, 1.15


def shift_sigmas(sigmas: Tensor, shift: float) -> Tensor:
    """Shift noise levels, any shape, 0 to 1: a shift over 1 spends more of them near noise.

    Esser et al., section 5.3.2.
    """
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def draw_sigmas(num: int, shift: float, generator: torch.Generator) -> Tensor:
    """Draw noise levels, [num], with the density at which the shifted schedule visits them."""
    return shift_sigmas(torch.rand(num, generator=generator), shift)


def resolution_shift(num_tokens: int) -> float:
    """Return the shift of noise levels for pictures of so many tokens: larger ones need more noise.

    exp(mu) with mu linear in the number of tokens, as FLUX.1's `calculate_shift` has it: 1.65 for
    256 tokens, 3.16 for 4096.
    """
    slope = (_GREATEST_MU - _LEAST_MU) / (_MOST_TOKENS - _FEWEST_TOKENS)
    return math.exp(_LEAST_MU + slope * (num_tokens - _FEWEST_TOKENS))


def draw_logit_normal_sigmas(num: int, shift: float, generator: torch.Generator) -> Tensor:
    """Draw noise levels, [num], most of them in the middle of the path, then shifted.

    Esser et al., section 3.1, with mean 0 and deviation 1: their best density for training.
    """
    return shift_sigmas(torch.sigmoid(torch.randn(num, generator=generator)), shift)


def sigma_schedule(num_steps: int, shift: float) -> Tensor:
    """Return the noise levels of a sampling run from 1 to 0, [num_steps + 1]."""
    even = torch.linspace(1, 1 / num_steps, num_steps)
    return torch.cat([shift_sigmas(even, shift), torch.zeros(1)])


def add_noise(clean: Tensor, noise: Tensor, sigmas: Tensor) -> Tensor:
    """Mix clean latents, [B, C, h, w], with noise by the level of each, [B]."""
    return torch.lerp(clean, noise, sigmas[:, None, None, None])


def velocity_target(clean: Tensor, noise: Tensor) -> Tensor:
    """Return the velocity that the model has to predict, of the shape of its arguments."""
    return noise - clean


def euler_step(latents: Tensor, velocity: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
    """Move latents along their velocity from one noise level to the following one."""
    return latents + (following - sigma) * velocity
