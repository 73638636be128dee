"""Flow matching with pictures in the context: a single prediction, and the sampling loop.

As in Batifol et al., "FLUX.1 Kontext: Flow Matching for In-Context Image Generation and Editing in
Latent Space" (2025), section 3: the tokens of context pictures follow those of the generated
picture, and the first axis of their positions counts them from 1.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from torch import Tensor

from shared.flux.flow_matching import euler_step, sigma_schedule
from shared.flux.pipeline.autoencoder import decode_scaled, encode_mode
from shared.flux.pipeline.conditioning import PromptEmbeddings
from shared.flux.pipeline.latents import pack, position_ids, unpack
from shared.flux.pipeline.start import Context
from shared.flux.pipeline.velocity import predict_velocity
from training_worker.swatch.diffusers_calls import read_text, seeded


def predict_edit(
    transformer: FluxTransformer2DModel,
    latents: Tensor,
    sigma: Tensor,
    contexts: Sequence[Tensor],
    prompt: PromptEmbeddings,
) -> Tensor:
    """Predict the velocity of noised latents [B, 16, H, W], packed to [B, H*W/4, 64].

    Args:
        transformer: The model.
        latents: The generated picture, between clean and noise.
        sigma: The share of noise, [B].
        contexts: The base, then the references; each [B, 16, H, W].
        prompt: The instructions.
    """
    _, _, rows, columns = latents.shape
    return predict_velocity(
        transformer,
        pack(latents),
        position_ids(rows, columns),
        prompt,
        sigmas=sigma,
        context=Context.of(contexts),
    )


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
    prompt = read_text(pipeline, instructions)
    encoded = [encode_mode(vae, images) for images in contexts]
    _, channels, rows, columns = encoded[0].shape
    latents = torch.cat(
        [
            torch.randn((1, channels, rows, columns), generator=seeded(seed + index))
            for index in range(len(instructions))
        ]
    )
    sigmas = sigma_schedule(num_steps, float(pipeline.scheduler.config.shift))
    for sigma, following in pairwise(sigmas):
        velocity = predict_edit(
            pipeline.transformer, latents, sigma.expand(len(latents)), encoded, prompt
        )
        latents = euler_step(latents, unpack(velocity, rows, columns), sigma, following)
    return decode_scaled(vae, latents).clamp(-1, 1)
