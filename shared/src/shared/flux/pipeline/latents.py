"""Latents as FLUX's transformer takes them: scaled, packed into tokens, with positions."""

from typing import Any

import torch
from torch import Tensor


def pack(latents: Tensor) -> Tensor:
    """Pack patches of 2 × 2 latents into tokens: [N, C, h, w] to [N, h/2 · w/2, 4C]."""
    num, channels, rows, columns = latents.shape
    patches = latents.view(num, channels, rows // 2, 2, columns // 2, 2)
    tokens = patches.permute(0, 2, 4, 1, 3, 5)
    return tokens.reshape(num, (rows // 2) * (columns // 2), 4 * channels)


def unpack(tokens: Tensor, rows: int, columns: int) -> Tensor:
    """Undo `pack`: [N, h/2 · w/2, 4C] to [N, C, h, w]; `rows` and `columns` are h and w."""
    num, _, channels = tokens.shape
    patches = tokens.view(num, rows // 2, columns // 2, channels // 4, 2, 2)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(num, channels // 4, rows, columns)


def position_ids(rows: int, columns: int, *, picture: int = 0) -> Tensor:
    """Return the rotary positions of the tokens of h × w latents: [h/2 · w/2, 3], float32.

    Args:
        rows: h.
        columns: w.
        picture: the first axis: 0 for the picture that is generated, from 1 on for context
            pictures (Batifol et al., "FLUX.1 Kontext", 2025, section 3).

    Returns:
        `picture`, row and column of each token.
    """
    ids = torch.zeros(rows // 2, columns // 2, 3)
    ids[..., 0] = picture
    ids[..., 1] = torch.arange(rows // 2)[:, None]
    ids[..., 2] = torch.arange(columns // 2)[None, :]
    return ids.reshape(-1, 3)


def scale_latents(vae: Any, latents: Tensor) -> Tensor:
    """Bring a VAE's latents, any shape, to the mean 0 and deviation 1 that FLUX works on."""
    return (latents - vae.config.shift_factor) * vae.config.scaling_factor


def unscale_latents(vae: Any, latents: Tensor) -> Tensor:
    """Undo `scale_latents`."""
    return latents / vae.config.scaling_factor + vae.config.shift_factor
