"""Third block: the loop that takes the noise away, step by step."""

import torch
from torch import Tensor

from shared.cancellation import CancelFlag, stop_if
from shared.flux.engine import StepCallback
from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.conditioning import Conditioning, PromptEmbeddings
from shared.flux.pipeline.start import Start
from shared.flux.pipeline.step_cache import forget_steps, prompt_context


def denoise(
    parts: FluxComponents,
    start: Start,
    conditioning: Conditioning,
    *,
    on_step: StepCallback,
    cancel: CancelFlag,
) -> Tensor:
    """Follow the schedule to its end.

    Returns:
        Packed latents without noise, [N, L, 4C].

    Raises:
        Cancelled: the flag was set before a step.
    """
    latents = start.latents
    num_pictures, num_tokens = latents.shape[:2]
    guidance = (
        torch.full(
            [num_pictures], conditioning.guidance_scale, device=parts.device, dtype=torch.float32
        )
        if parts.has_guidance_embeds
        else None
    )
    transformer = parts.transformer
    forget_steps(transformer)
    ids = start.image_ids
    if start.context is not None:
        ids = torch.cat([ids, start.context.ids])

    def velocity(prompt: PromptEmbeddings, timestep: Tensor, context: str) -> Tensor:
        seen = latents
        if start.context is not None:
            seen = torch.cat([latents, start.context.latents], dim=1)
        with prompt_context(transformer, context):
            (predicted,) = transformer(
                hidden_states=seen,
                timestep=timestep.expand(num_pictures).to(latents.dtype) / 1000,
                guidance=guidance,
                pooled_projections=prompt.gist.expand(num_pictures, -1),
                encoder_hidden_states=prompt.words.expand(num_pictures, -1, -1),
                txt_ids=prompt.word_ids,
                img_ids=ids,
                return_dict=False,
            )
        return predicted[:, :num_tokens]  # [N, L, 4C]

    for index, timestep in enumerate(start.timesteps):
        stop_if(cancel)
        direction = velocity(conditioning.positive, timestep, "positive")
        if conditioning.negative is not None:
            away = velocity(conditioning.negative, timestep, "negative")
            direction = away + conditioning.true_cfg_scale * (direction - away)
        (latents,) = start.scheduler.step(direction, timestep, latents, return_dict=False)
        if start.keep is not None:
            latents = _lead_back(latents, start, index)
        if parts.device.type != "cpu":
            # The device runs behind its host: without waiting, steps would count before they are
            # done, and a cancelled run would go on.
            torch.accelerator.synchronize(parts.device)
        on_step(index + 1, len(start.timesteps))
    return latents


def _lead_back(latents: Tensor, start: Start, index: int) -> Tensor:
    """Outside of the mask, latents are the picture's, under the noise of the next step."""
    keep = start.keep
    assert keep is not None
    clean = keep.clean
    if index + 1 < len(start.timesteps):
        following = start.timesteps[index + 1 : index + 2]
        clean = start.scheduler.scale_noise(clean, following, keep.noise)
    return (1 - keep.mask) * clean + keep.mask * latents
