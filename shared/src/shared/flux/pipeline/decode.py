"""Last block: latents become a picture."""

from PIL import Image
from torch import Tensor

from shared.errors import InvalidInputError
from shared.flux.pipeline.components import FluxComponents


def decode(parts: FluxComponents, latents: Tensor, size: tuple[int, int]) -> Image.Image:
    """Decode packed latents, [1, L, 4C], into a picture of `size`.

    Raises:
        InvalidInputError: they are not finite: something drove the model too hard.
    """
    if not latents.isfinite().all():
        raise InvalidInputError(
            "the model made no picture but numbers without end; lower the LoRAs' weights, or"
            " config.guidance_scale"
        )
    config = parts.vae.config
    spatial = _unpack(latents, size, parts.vae_scale_factor)
    (pixels,) = parts.vae.decode(
        spatial / config.scaling_factor + config.shift_factor, return_dict=False
    )  # [1, 3, H, W] in -1…1
    return parts.image_processor.postprocess(pixels, output_type="pil")[0]


def _unpack(latents: Tensor, size: tuple[int, int], vae_scale_factor: int) -> Tensor:
    """Tokens become patches of 2 × 2 latents: [1, h/2 · w/2, 4C] to [1, C, h, w]."""
    columns, rows = (side // vae_scale_factor for side in size)
    channels = latents.shape[2] // 4
    patches = latents.view(1, rows // 2, columns // 2, channels, 2, 2)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(1, channels, rows, columns)
