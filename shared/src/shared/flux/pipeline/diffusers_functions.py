"""The functions of diffusers that the blocks use, with the types diffusers leaves out."""

from collections.abc import Callable
from typing import Any, cast

from diffusers.pipelines.flux import (
    pipeline_flux,
    pipeline_flux_img2img,
)
from diffusers.utils import logging as diffusers_logging
from diffusers.utils import torch_utils
from torch import Generator, Tensor
from transformers.utils import logging as transformers_logging

_flux = cast(Any, pipeline_flux)
_flux_img2img = cast(Any, pipeline_flux_img2img)
_torch_utils = cast(Any, torch_utils)

FluxPipeline: Any = _flux.FluxPipeline

calculate_shift: Callable[..., float] = _flux.calculate_shift
"""How far the schedule leans to noise, from the number of tokens."""

retrieve_timesteps: Callable[..., tuple[Tensor, int]] = _flux.retrieve_timesteps
"""Sets a scheduler's schedule."""

randn_tensor: Callable[..., Tensor] = _torch_utils.randn_tensor
"""Noise from a generator, which may live on another device."""


def hide_progress_bars() -> None:
    """Keep the libraries' bars out of the worker's log."""
    cast(Any, diffusers_logging).disable_progress_bar()
    cast(Any, transformers_logging).disable_progress_bar()


def sample_latents(posterior: object, generator: Generator) -> Tensor:
    """Draw from what a VAE says of a picture, [1, C, h, w]."""
    return _flux_img2img.retrieve_latents(posterior, generator=generator)


def mode_latents(posterior: object) -> Tensor:
    """The likeliest of what a VAE says of a picture, [1, C, h, w]."""
    return _flux_img2img.retrieve_latents(posterior, sample_mode="argmax")
