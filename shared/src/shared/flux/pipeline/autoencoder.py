"""The VAE's two directions, with the types that diffusers leaves out."""

from typing import Any, Protocol

import torch
from torch import Tensor

from shared.flux.pipeline.latents import scale_latents, unscale_latents


class Posterior(Protocol):
    """Distribution of the latents of pictures: `DiagonalGaussianDistribution`."""

    mean: Tensor  # [N, C, h, w]

    def mode(self) -> Tensor: ...

    def sample(self, generator: torch.Generator | None = None) -> Tensor: ...

    def kl(self) -> Tensor: ...


def encode_pixels(vae: Any, pixels: Tensor) -> Posterior:
    """Encode [N, 3, H, W] in -1…1 to the distribution of unscaled latents, [N, C, H/8, W/8]."""
    return vae.encode(pixels).latent_dist


def decode_pixels(vae: Any, latents: Tensor) -> Tensor:
    """Decode unscaled latents, [N, C, h, w], to [N, 3, 8h, 8w], about -1…1."""
    (pixels,) = vae.decode(latents, return_dict=False)
    return pixels


def encode_mode(vae: Any, pixels: Tensor) -> Tensor:
    """Encode [N, 3, H, W] in -1…1 to the most likely scaled latents."""
    return scale_latents(vae, encode_pixels(vae, pixels).mode())


def encode_sample(vae: Any, pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Encode [N, 3, H, W] in -1…1 to scaled latents drawn from their distribution."""
    return scale_latents(vae, encode_pixels(vae, pixels).sample(generator))


def decode_scaled(vae: Any, latents: Tensor) -> Tensor:
    """Decode scaled latents, [N, C, h, w], to [N, 3, 8h, 8w], about -1…1."""
    return decode_pixels(vae, unscale_latents(vae, latents))
