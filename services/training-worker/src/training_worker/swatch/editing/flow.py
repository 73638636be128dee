"""Flow matching with pictures in the context: a single prediction, and the sampling loop.

As in Batifol et al., "FLUX.1 Kontext: Flow Matching for In-Context Image Generation and Editing in
Latent Space" (2025), section 3: the tokens of context pictures follow those of the generated
picture, and the first axis of their positions counts them from 1.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from torch import Tensor

from training_worker.swatch.diffusers_calls import (
    decode,
    encode,
    latent_scale,
    predict,
    read_text,
    seeded,
)
from training_worker.swatch.transformer import pack, position_ids, unpack


def encode_context(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Encode [B, 3, H, W] to the posterior's mode, shifted and scaled: [B, 16, H/8, W/8]."""
    shift, scale = latent_scale(vae)
    return (encode(vae, images).mean - shift) * scale


def predict_edit(
    transformer: FluxTransformer2DModel,
    latents: Tensor,
    sigma: Tensor,
    contexts: Sequence[Tensor],
    text: tuple[Tensor, Tensor],
) -> Tensor:
    """Predict the velocity of noised latents [B, 16, H, W], packed to [B, H*W/4, 64].

    Args:
        transformer: The model.
        latents: The generated picture, between clean and noise.
        sigma: The share of noise, [B].
        contexts: The base, then the references; each [B, 16, H, W].
        text: The instruction: pooled [B, clip width] and tokens [B, L, t5 width].
    """
    pooled, tokens = text
    pictures = [latents, *contexts]
    positions = [
        position_ids(picture.shape[2] // 2, picture.shape[3] // 2, picture=index)
        for index, picture in enumerate(pictures)
    ]
    packed = [pack(picture) for picture in pictures]
    velocity = predict(
        transformer,
        hidden_states=torch.cat(packed, dim=1),
        timestep=sigma,
        encoder_hidden_states=tokens,
        pooled_projections=pooled,
        img_ids=torch.cat(positions),
        txt_ids=torch.zeros(tokens.shape[1], 3),
    )
    return velocity[:, : packed[0].shape[1]]


@torch.no_grad()
def edit_pictures(
    pipeline: FluxPipeline,
    instructions: Sequence[str],
    contexts: Sequence[Tensor],
    *,
    num_steps: int,
    seed: int = 0,
) -> Tensor:
    """Edit pictures by Euler steps along the velocity, at the packaged scheduler's noise levels.

    Args:
        pipeline: The components.
        instructions: One per picture.
        contexts: The bases, then perhaps the references; each [B, 3, H, W], values -1 to 1.
        num_steps: Denoise steps.
        seed: Picture i has the seed `seed` + i.

    Returns:
        [B, 3, H, W], values -1 to 1.
    """
    vae = pipeline.vae
    text = read_text(pipeline, instructions)
    encoded = [encode_context(vae, images) for images in contexts]
    _, channels, height, width = encoded[0].shape
    latents = torch.cat(
        [
            torch.randn((1, channels, height, width), generator=seeded(seed + index))
            for index in range(len(instructions))
        ]
    )
    sigmas = shifted_sigmas(num_steps, float(pipeline.scheduler.config.shift))
    for sigma, following in pairwise(sigmas):
        velocity = predict_edit(
            pipeline.transformer, latents, sigma.expand(len(latents)), encoded, text
        )
        latents = latents + (following - sigma) * unpack(velocity, height, width)
    shift, scale = latent_scale(vae)
    return decode(vae, latents / scale + shift).clamp(-1, 1)


def shifted_sigmas(num_steps: int, shift: float) -> Tensor:
    """Return the noise levels of FlowMatchEulerDiscreteScheduler, 1 to 0: [num_steps + 1]."""
    even = torch.linspace(1, 1 / num_steps, num_steps)
    return torch.cat([shift * even / (1 + (shift - 1) * even), torch.zeros(1)])
