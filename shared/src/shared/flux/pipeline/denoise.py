"""Third block: the denoise loop."""

import torch
from torch import Tensor

from shared.cancellation import CancelFlag, stop_if
from shared.flux.engine import StepCallback
from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.conditioning import Conditioning, PromptEmbeddings
from shared.flux.pipeline.start import InpaintMask, Start
from shared.flux.pipeline.step_cache import forget_steps, prompt_context
from shared.flux.pipeline.velocity import predict_velocity

_NUM_TRAIN_TIMESTEPS = 1000
"""The timestep of pure noise; a noise level of 1."""


def denoise(
    parts: FluxComponents,
    start: Start,
    conditioning: Conditioning,
    *,
    on_step: StepCallback,
    cancel: CancelFlag,
) -> Tensor:
    """Follow the schedule to its end.

    Args:
        parts: the model.
        start: latents, schedule, context and mask.
        conditioning: prompts and their weights.
        on_step: called after each step, on this thread.
        cancel: checked before each step.

    Returns:
        Packed latents without noise, [N, L, 4C].

    Raises:
        Cancelled: the flag was set before a step.
    """
    guided = _GuidedTransformer(parts, start, conditioning)
    latents = start.latents
    for index, timestep in enumerate(start.timesteps):
        stop_if(cancel)
        velocity = guided.velocity(latents, timestep)
        (latents,) = start.scheduler.step(velocity, timestep, latents, return_dict=False)
        if start.inpaint is not None:
            latents = _restore_unmasked(latents, start, start.inpaint, index)
        if parts.device.type != "cpu":
            # The device runs behind its host: without waiting, steps would count before they are
            # done, and a cancelled run would go on.
            torch.accelerator.synchronize(parts.device)
        on_step(index + 1, len(start.timesteps))
    return latents


class _GuidedTransformer:
    """The transformer in one run: its prompts, guidance and context stay the same.

    Args:
        parts: the model.
        start: where the run begins.
        conditioning: prompts and their weights.
    """

    def __init__(self, parts: FluxComponents, start: Start, conditioning: Conditioning) -> None:
        self._transformer = parts.transformer
        self._start = start
        self._conditioning = conditioning
        self._num_pictures = start.latents.shape[0]
        self._guidance = (
            torch.full(
                [self._num_pictures],
                conditioning.guidance_scale,
                device=parts.device,
                dtype=torch.float32,
            )
            if parts.has_guidance_embeds
            else None
        )
        forget_steps(self._transformer)

    def velocity(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Predict the velocity, away from the negative prompt where there is one (true CFG)."""
        conditioning = self._conditioning
        positive = self._predict(latents, timestep, conditioning.positive, "positive")
        if conditioning.negative is None:
            return positive
        negative = self._predict(latents, timestep, conditioning.negative, "negative")
        return negative + conditioning.true_cfg_scale * (positive - negative)

    def _predict(
        self, latents: Tensor, timestep: Tensor, prompt: PromptEmbeddings, name: str
    ) -> Tensor:
        num = self._num_pictures
        with prompt_context(self._transformer, name):
            return predict_velocity(
                self._transformer,
                latents,
                self._start.image_ids,
                prompt.expand(num),
                sigmas=timestep.expand(num).to(latents.dtype) / _NUM_TRAIN_TIMESTEPS,
                guidance=self._guidance,
                context=self._start.context,
            )


def _restore_unmasked(latents: Tensor, start: Start, inpaint: InpaintMask, index: int) -> Tensor:
    """Outside of the mask, put back the picture's latents under the noise of the next step."""
    clean = inpaint.clean
    if index + 1 < len(start.timesteps):
        following = start.timesteps[index + 1 : index + 2]
        clean = start.scheduler.scale_noise(clean, following, inpaint.noise)
    return (1 - inpaint.mask) * clean + inpaint.mask * latents
