"""Noise levels, noised latents and their velocity."""

from typing import Any, cast

import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from hypothesis import given
from hypothesis import strategies as st

from shared.flux.flow_matching import (
    add_noise,
    draw_sigmas,
    euler_step,
    sigma_schedule,
    velocity_target,
)

pytestmark = pytest.mark.models


@given(shift=st.floats(1, 4), seed=st.integers(0, 1000))
def test_noise_levels_lean_to_the_noisy_end(shift: float, seed: int) -> None:
    plain, shifted = (
        draw_sigmas(50, value, torch.Generator().manual_seed(seed)) for value in (1.0, shift)
    )
    assert (shifted >= plain - 1e-6).all()
    assert shifted.max() <= 1


def test_noise_levels_are_the_schedulers() -> None:
    scheduler = cast(Any, FlowMatchEulerDiscreteScheduler(shift=1.5))
    scheduler.set_timesteps(sigmas=torch.linspace(1, 1 / 8, 8).numpy())
    assert torch.allclose(sigma_schedule(8, 1.5), scheduler.sigmas)


def test_a_step_along_the_velocity_removes_the_noise() -> None:
    clean, noise = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    sigmas = torch.tensor([0.25, 0.5, 1.0])
    noised = add_noise(clean, noise, sigmas)
    velocity = velocity_target(clean, noise)
    levels = sigmas[:, None, None, None]
    assert torch.allclose(euler_step(noised, velocity, levels, torch.zeros(1)), clean, atol=1e-6)
