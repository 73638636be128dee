"""Last block: latents become a picture."""

from PIL import Image
from torch import Tensor

from shared.errors import InvalidInputError
from shared.flux.pipeline.autoencoder import decode_scaled
from shared.flux.pipeline.components import FluxComponents
from shared.flux.pipeline.latents import unpack


def decode(parts: FluxComponents, latents: Tensor, size: tuple[int, int]) -> Image.Image:
    """Decode packed latents, [1, L, 4C], into an RGB picture.

    Args:
        parts: the model.
        latents: as `denoise` returns them.
        size: (width, height) in pixels.

    Raises:
        InvalidInputError: the latents are not finite.
    """
    if not latents.isfinite().all():
        raise InvalidInputError(
            "the model produced NaN or infinite values; lower the LoRAs' weights, or"
            " config.guidance_scale"
        )
    columns, rows = (side // parts.vae_scale_factor for side in size)
    pixels = decode_scaled(parts.vae, unpack(latents, rows, columns))
    return parts.image_processor.postprocess(pixels, output_type="pil")[0]
