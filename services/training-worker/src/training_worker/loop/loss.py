"""The loss of flow matching: the mean squared error of the predicted velocity."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from shared.flux.flow_matching import add_noise, velocity_target
from shared.flux.pipeline.conditioning import PromptEmbeddings
from shared.flux.pipeline.latents import pack
from training_worker.loop.trainable import TrainableModel


def velocity_loss(
    model: TrainableModel,
    clean: Tensor,
    prompt: PromptEmbeddings,
    *,
    sigmas: Tensor,
    noise: Tensor,
) -> Tensor:
    """Return the loss of a batch: a mean over all numbers, in float32.

    Every noise level weighs the same: the density of their draws is the weight.

    Args:
        model: predicts the velocity.
        clean: latents, [B, C, h, w].
        prompt: one for each item.
        sigmas: noise levels, [B].
        noise: [B, C, h, w].
    """
    clean, noise = clean.float(), noise.to(clean.device)
    sigmas = sigmas.to(clean.device)
    predicted = model.predict(add_noise(clean, noise, sigmas), sigmas, prompt)
    target = pack(velocity_target(clean, noise))
    return torch.nn.functional.mse_loss(predicted.float(), target)


def batch_prompts(prompts: Sequence[PromptEmbeddings]) -> PromptEmbeddings:
    """Join prompts of one item each, all of one length, into a batch."""
    if len(prompts) == 1:
        return prompts[0]
    return replace(
        prompts[0],
        prompt_embeds=torch.cat([prompt.prompt_embeds for prompt in prompts]),
        pooled_prompt_embeds=torch.cat([prompt.pooled_prompt_embeds for prompt in prompts]),
    )
