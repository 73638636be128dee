"""Second block: the noise to start from and the schedule to follow, from text or from a picture."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.diffusers_functions import (
    calculate_shift,
    mode_latents,
    randn_tensor,
    retrieve_timesteps,
    sample_latents,
)
from shared.flux.pipeline.start import Context, Keep, Scheduler, Start

_MAX_SEED = 2**64
_HALF = 128


def cpu_generator(seed: int) -> torch.Generator:
    """The source of one picture's noise; on the CPU, so that it does not depend on the GPU."""
    return torch.Generator("cpu").manual_seed(seed % _MAX_SEED)


def start_from_noise(
    parts: FluxComponents, size: tuple[int, int], num_steps: int, generator: torch.Generator
) -> Start:
    """Text to image: pure noise, the whole schedule."""
    columns, rows = _latent_size(parts, size)
    scheduler = _schedule(parts, (columns // 2) * (rows // 2), num_steps)
    scheduler.set_begin_index(0)
    noise = _noise(parts, columns, rows, generator)
    return Start(_pack(noise), _image_ids(parts, columns, rows), scheduler.timesteps, scheduler)


def start_from_image(
    parts: FluxComponents,
    image: Image.Image,
    *,
    strength: float,
    num_steps: int,
    generator: torch.Generator,
    mask: Image.Image | None = None,
) -> Start | None:
    """Image to image: the picture under noise, and the last `strength` of the schedule.

    Args:
        parts: the model.
        image: RGB, its sides multiples of the model's.
        strength: 0 leaves the picture alone, 1 replaces it.
        num_steps: of the whole schedule.
        generator: where the noise comes from.
        mask: L, of the picture's size: what is painted anew is white.

    Returns:
        None when no step is left: the picture is the answer.
    """
    columns, rows = _latent_size(parts, image.size)
    scheduler = _schedule(parts, (columns // 2) * (rows // 2), num_steps)
    first = int(max(num_steps - min(num_steps * strength, num_steps), 0))
    if first == num_steps:
        return None
    scheduler.set_begin_index(first)
    timesteps = scheduler.timesteps[first:]
    # The posterior is sampled before the noise: diffusers' order, and so its pixels.
    clean = _scaled(parts, sample_latents(_posterior(parts, image), generator))
    noise = _noise(parts, columns, rows, generator)
    latents = scheduler.scale_noise(clean, timesteps[:1], noise)
    keep = None
    if mask is not None:
        keep = Keep(_pack(clean), _pack(noise), _pack(_mask_latents(parts, mask, clean)))
    ids = _image_ids(parts, columns, rows)
    return Start(_pack(latents), ids, timesteps, scheduler, keep=keep)


def encode_context(parts: FluxComponents, pictures: Sequence[Image.Image]) -> Context:
    """Pictures to look at, one after the other along the sequence.

    The i-th has i, from 1, in the first axis of its ids (Batifol et al., "FLUX.1 Kontext", 2025,
    section 3); 0 is the picture that is made.
    """
    latents: list[Tensor] = []
    ids: list[Tensor] = []
    for number, picture in enumerate(pictures, start=1):
        columns, rows = _latent_size(parts, picture.size)
        latents.append(_pack(_scaled(parts, mode_latents(_posterior(parts, picture)))))
        place = _image_ids(parts, columns, rows)
        place[:, 0] = number
        ids.append(place)
    return Context(torch.cat(latents, dim=1), torch.cat(ids))


def _latent_size(parts: FluxComponents, size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    assert width % parts.multiple_of == 0, width
    assert height % parts.multiple_of == 0, height
    return width // parts.vae_scale_factor, height // parts.vae_scale_factor


def _schedule(parts: FluxComponents, num_tokens: int, num_steps: int) -> Scheduler:
    scheduler = parts.new_scheduler()
    config = scheduler.config
    shift = calculate_shift(
        num_tokens,
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


def _posterior(parts: FluxComponents, image: Image.Image) -> object:
    pixels = parts.image_processor.preprocess(image, height=image.height, width=image.width)
    return parts.vae.encode(pixels.to(parts.device, parts.dtype))


def _scaled(parts: FluxComponents, latents: Tensor) -> Tensor:
    """What the VAE gives, [1, C, h, w], as the transformer knows it: mean 0, deviation 1."""
    config = parts.vae.config
    return (latents - config.shift_factor) * config.scaling_factor


def _mask_latents(parts: FluxComponents, mask: Image.Image, like: Tensor) -> Tensor:
    """1 where the mask is white, for each latent: [1, C, h, w]."""
    white = torch.tensor(np.asarray(mask) >= _HALF, device=parts.device, dtype=parts.dtype)
    return functional.interpolate(white[None, None], size=like.shape[2:]).expand_as(like)


def _pack(latents: Tensor) -> Tensor:
    """Patches of 2 × 2 latents become tokens: [1, C, h, w] to [1, h/2 · w/2, 4C]."""
    _, channels, rows, columns = latents.shape
    patches = latents.view(1, channels, rows // 2, 2, columns // 2, 2)
    tokens = patches.permute(0, 2, 4, 1, 3, 5)
    return tokens.reshape(1, (rows // 2) * (columns // 2), 4 * channels)


def _image_ids(parts: FluxComponents, columns: int, rows: int) -> Tensor:
    ids = torch.zeros(rows // 2, columns // 2, 3)
    ids[..., 1] = torch.arange(rows // 2)[:, None]
    ids[..., 2] = torch.arange(columns // 2)[None, :]
    return ids.reshape(-1, 3).to(parts.device, parts.dtype)
