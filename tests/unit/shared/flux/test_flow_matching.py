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
    draw_logit_normal_sigmas,
    draw_sigmas,
    euler_step,
    resolution_shift,
    shift_sigmas,
    sigma_schedule,
    velocity_target,
)
from shared.flux.pipeline.diffusers_functions import calculate_shift

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


@pytest.mark.parametrize("num_tokens", [16, 256, 1024, 2304, 4096])
def test_the_shift_by_resolution_is_diffusers(num_tokens: int) -> None:
    scheduler = cast(Any, FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True))
    sigmas = torch.linspace(0.05, 1, 20)
    theirs = scheduler.time_shift(calculate_shift(num_tokens), 1.0, sigmas)
    assert torch.allclose(shift_sigmas(sigmas, resolution_shift(num_tokens)), theirs)


def test_logit_normal_levels_lie_in_the_middle_before_their_shift() -> None:
    plain, shifted = (
        draw_logit_normal_sigmas(4000, shift, torch.Generator().manual_seed(0)) for shift in (1, 3)
    )
    logits = torch.logit(plain)
    assert logits.mean().abs() < 0.05
    assert logits.std() == pytest.approx(1, abs=0.05)
    assert torch.allclose(shifted, shift_sigmas(plain, 3))
