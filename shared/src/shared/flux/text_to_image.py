"""Text to image out of a model's four blocks: the one implementation of GENERATION and samples.

The steps are separate functions, since a worker loads encoders and denoiser in turn.
"""

from collections.abc import Hashable

from PIL import Image

from shared.cancellation import NEVER, CancelFlag
from shared.flux.engine import StepCallback, ignore_step
from shared.flux.families.family import Model
from shared.flux.guidance import DEFAULT_GUIDANCE_SCALE
from shared.flux.pipeline.conditioning import Conditioning
from shared.flux.pipeline.prepare import cpu_generator
from shared.flux.pipeline.start import Start


def condition(
    model: Model,
    prompt: str,
    *,
    guidance_scale: float = DEFAULT_GUIDANCE_SCALE,
    negative: str | None = None,
    true_cfg_scale: float = 1.0,
    variant: Hashable = (),
) -> Conditioning:
    """Encode the prompts of a picture.

    Args:
        model: the model.
        prompt: what the picture follows.
        guidance_scale: distilled guidance.
        negative: what the picture avoids; empty: nothing.
        true_cfg_scale: weight of the negative prompt.
        variant: what else the embeddings depend on: the LoRAs on the encoders.
    """
    return Conditioning(
        positive=model.embed(prompt, variant),
        guidance_scale=guidance_scale,
        negative=model.embed(negative, variant) if negative else None,
        true_cfg_scale=true_cfg_scale,
    )


def finish(
    model: Model,
    start: Start,
    conditioning: Conditioning,
    size: tuple[int, int],
    *,
    on_step: StepCallback = ignore_step,
    cancel: CancelFlag = NEVER,
) -> Image.Image:
    """Denoise from a start, and decode the picture.

    Raises:
        Cancelled: the flag was set before a step.
        InvalidInputError: the latents are not finite.
    """
    latents = model.denoise(start, conditioning, on_step=on_step, cancel=cancel)
    return model.decode(latents, size)


def text_to_image(
    model: Model,
    conditioning: Conditioning,
    size: tuple[int, int],
    *,
    num_steps: int,
    seed: int,
    cancel: CancelFlag = NEVER,
) -> Image.Image:
    """Generate one RGB picture as GENERATION does, its noise drawn from its own seed.

    Args:
        model: the model.
        conditioning: prompts and their weights.
        size: (width, height) in pixels, multiples of the model's.
        num_steps: denoise steps.
        seed: the same seed gives the same pixels.
        cancel: checked before each step.

    Raises:
        Cancelled: the flag was set before a step.
        InvalidInputError: the latents are not finite.
    """
    start = model.start_from_noise(size, num_steps, cpu_generator(seed))
    return finish(model, start, conditioning, size, cancel=cancel)
