"""Third block: the loop that takes the noise away, step by step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from inference_worker.pipelines.components import FluxComponents
from inference_worker.pipelines.encode import PromptEmbeddings
from inference_worker.pipelines.engine import CancelFlag, StepCallback, stop_if
from inference_worker.pipelines.prepare import Start


@dataclass(frozen=True)
class Conditioning:
    """What pulls the picture where, and how hard."""

    positive: PromptEmbeddings
    guidance_scale: float
    """Distilled guidance, an input of models that were trained with it."""
    negative: PromptEmbeddings | None = None
    true_cfg_scale: float = 1.0
    """Weight of the difference between positive and negative; costs a second transformer call."""


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
        Packed latents without noise, [1, L, 4C].

    Raises:
        Cancelled: the flag was set before a step.
    """
    guidance = (
        torch.full([1], conditioning.guidance_scale, device=parts.device, dtype=torch.float32)
        if parts.has_guidance_embeds
        else None
    )
    latents = start.latents

    def velocity(prompt: PromptEmbeddings, timestep: Tensor) -> Tensor:
        return parts.transformer(
            hidden_states=latents,
            timestep=timestep.expand(1).to(latents.dtype) / 1000,
            guidance=guidance,
            pooled_projections=prompt.gist,
            encoder_hidden_states=prompt.words,
            txt_ids=prompt.word_ids,
            img_ids=start.image_ids,
            return_dict=False,
        )[0]  # [1, L, 4C]

    for index, timestep in enumerate(start.timesteps):
        stop_if(cancel)
        direction = velocity(conditioning.positive, timestep)
        if conditioning.negative is not None:
            away = velocity(conditioning.negative, timestep)
            direction = away + conditioning.true_cfg_scale * (direction - away)
        (latents,) = start.scheduler.step(direction, timestep, latents, return_dict=False)
        if parts.device.type != "cpu":
            # The device runs behind its host: without waiting, steps would count before they are
            # done, and a cancelled run would go on.
            torch.accelerator.synchronize(parts.device)
        on_step(index + 1, len(start.timesteps))
    return latents
