"""Second block: the noise to start from and the schedule to follow, from text or from a picture."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from shared.flux.pipeline.autoencoder import encode_mode, encode_sample
from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.diffusers_functions import (
    calculate_shift,
    randn_tensor,
    retrieve_timesteps,
)
from shared.flux.pipeline.latents import pack, position_ids
from shared.flux.pipeline.start import Context, InpaintMask, Scheduler, Start

_MAX_SEED = 2**64
_HALF = 128


def cpu_generator(seed: int) -> torch.Generator:
    """Return the source of a picture's noise; on the CPU, so that the GPU does not matter."""
    return torch.Generator("cpu").manual_seed(seed % _MAX_SEED)


def start_from_noise(
    parts: FluxComponents, size: tuple[int, int], num_steps: int, generator: torch.Generator
) -> Start:
    """Prepare text to image: pure noise, the whole schedule.

    Args:
        parts: the model.
        size: (width, height) in pixels, multiples of the model's.
        num_steps: denoise steps.
        generator: the source of the noise.
    """
    columns, rows = _latent_size(parts, size)
    scheduler = _schedule(parts, columns, rows, num_steps)
    scheduler.set_begin_index(0)
    noise = _noise(parts, columns, rows, generator)
    return Start(pack(noise), _image_ids(parts, columns, rows), scheduler.timesteps, scheduler)


def start_from_image(
    parts: FluxComponents,
    image: Image.Image,
    *,
    strength: float,
    num_steps: int,
    generator: torch.Generator,
    mask: Image.Image | None = None,
) -> Start | None:
    """Prepare image to image: the picture under noise, and the last `strength` of the schedule.

    Args:
        parts: the model.
        image: RGB, its sides multiples of the model's.
        strength: 0 keeps the picture, 1 replaces it.
        num_steps: denoise steps of the whole schedule.
        generator: the source of the noise.
        mask: L, of the picture's size: white may change.

    Returns:
        None where no step is left: the picture is the result.
    """
    columns, rows = _latent_size(parts, image.size)
    scheduler = _schedule(parts, columns, rows, num_steps)
    first = int(max(num_steps - min(num_steps * strength, num_steps), 0))
    if first == num_steps:
        return None
    scheduler.set_begin_index(first)
    timesteps = scheduler.timesteps[first:]
    # The posterior is sampled before the noise: diffusers' order, and so its pixels.
    clean = encode_sample(parts.vae, picture_pixels(parts, image), generator)
    noise = _noise(parts, columns, rows, generator)
    latents = scheduler.scale_noise(clean, timesteps[:1], noise)
    inpaint = None
    if mask is not None:
        inpaint = InpaintMask(pack(clean), pack(noise), pack(_mask_latents(parts, mask, clean)))
    ids = _image_ids(parts, columns, rows)
    return Start(pack(latents), ids, timesteps, scheduler, inpaint=inpaint)


def encode_context(parts: FluxComponents, pictures: Sequence[Image.Image]) -> Context:
    """Encode RGB pictures that the transformer attends to, in order."""
    for picture in pictures:
        _latent_size(parts, picture.size)
    return Context.of(
        [encode_mode(parts.vae, picture_pixels(parts, picture)) for picture in pictures]
    )


def _latent_size(parts: FluxComponents, size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    assert width % parts.multiple_of == 0, width
    assert height % parts.multiple_of == 0, height
    return width // parts.vae_scale_factor, height // parts.vae_scale_factor


def _schedule(parts: FluxComponents, columns: int, rows: int, num_steps: int) -> Scheduler:
    """Return diffusers' schedule for pictures of so many latents."""
    scheduler = parts.new_scheduler()
    config = scheduler.config
    shift = calculate_shift(
        (columns // 2) * (rows // 2),
        config.get("base_image_seq_len", 256),
        config.get("max_image_seq_len", 4096),
        config.get("base_shift", 0.5),
        config.get("max_shift", 1.15),
    )
    sigmas = np.linspace(1.0, 1 / num_steps, num_steps)
    retrieve_timesteps(scheduler, num_steps, parts.device, sigmas=sigmas, mu=shift)
    return scheduler


def _noise(parts: FluxComponents, columns: int, rows: int, generator: torch.Generator) -> Tensor:
    shape = (1, parts.num_latent_channels, rows, columns)
    return randn_tensor(shape, generator=generator, device=parts.device, dtype=parts.dtype)


def picture_pixels(parts: FluxComponents, image: Image.Image) -> Tensor:
    """Return a picture as [1, 3, H, W] in -1…1."""
    pixels = parts.image_processor.preprocess(image, height=image.height, width=image.width)
    return pixels.to(parts.device, parts.dtype)


def _mask_latents(parts: FluxComponents, mask: Image.Image, like: Tensor) -> Tensor:
    """Return 1 where the mask is white, for each latent: [1, C, h, w]."""
    white = torch.tensor(np.asarray(mask) >= _HALF, device=parts.device, dtype=parts.dtype)
    return functional.interpolate(white[None, None], size=like.shape[2:]).expand_as(like)


def _image_ids(parts: FluxComponents, columns: int, rows: int) -> Tensor:
    return position_ids(rows, columns).to(parts.device, parts.dtype)
