"""One call of FLUX's transformer."""

import torch
from torch import Tensor

from shared.flux.pipeline.components import Transformer
from shared.flux.pipeline.conditioning import PromptEmbeddings
from shared.flux.pipeline.start import Context


def predict_velocity(  # noqa: PLR0913 — the inputs of the model
    transformer: Transformer,
    latents: Tensor,
    image_ids: Tensor,
    prompt: PromptEmbeddings,
    *,
    sigmas: Tensor,
    guidance: Tensor | None = None,
    context: Context | None = None,
) -> Tensor:
    """Predict the velocity of noised pictures.

    Args:
        transformer: FLUX's.
        latents: packed, [N, L, 4C], at the noise levels `sigmas`.
        image_ids: positions of their tokens, [L, 3].
        prompt: one for each picture.
        sigmas: noise levels, [N], 0 to 1.
        guidance: distilled guidance, [N]; None for models without guidance embeddings.
        context: pictures that the transformer attends to, after those that are denoised.

    Returns:
        [N, L, 4C], without the context's tokens.
    """
    num_tokens = latents.shape[1]
    if context is not None:
        latents = torch.cat([latents, context.latents], dim=1)
        image_ids = torch.cat([image_ids, context.ids])
    (predicted,) = transformer(
        hidden_states=latents,
        timestep=sigmas,
        guidance=guidance,
        pooled_projections=prompt.pooled_prompt_embeds,
        encoder_hidden_states=prompt.prompt_embeds,
        txt_ids=prompt.text_ids,
        img_ids=image_ids,
        return_dict=False,
    )
    return predicted[:, :num_tokens]
