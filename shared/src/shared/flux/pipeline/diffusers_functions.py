"""Functions of diffusers that the pipeline uses, with the types that diffusers leaves out."""

from collections.abc import Callable
from typing import Any, cast

from diffusers.pipelines.flux import pipeline_flux
from diffusers.utils import logging as diffusers_logging
from diffusers.utils import torch_utils
from torch import Tensor
from transformers.utils import logging as transformers_logging

_flux = cast(Any, pipeline_flux)
_torch_utils = cast(Any, torch_utils)

FluxPipeline: Any = _flux.FluxPipeline

calculate_shift: Callable[..., float] = _flux.calculate_shift
"""Returns the shift of the schedule towards noise for a number of tokens."""

retrieve_timesteps: Callable[..., tuple[Tensor, int]] = _flux.retrieve_timesteps
"""Sets a scheduler's schedule."""

randn_tensor: Callable[..., Tensor] = _torch_utils.randn_tensor
"""Draws noise from a generator, which may be on another device."""


def hide_progress_bars() -> None:
    """Keep the progress bars of diffusers and transformers out of the log."""
    cast(Any, diffusers_logging).disable_progress_bar()
    cast(Any, transformers_logging).disable_progress_bar()
