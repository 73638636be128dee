"""The size of a refined picture."""

from shared.contracts.refinement import RefineInputs
from shared.errors import InvalidInputError

_MIN_SIDE_PX = 16


def target_size(size: tuple[int, int], inputs: RefineInputs, *, max_pixels: int) -> tuple[int, int]:
    """Return the exact size of the result, (width, height).

    Target width and height take precedence over the factor; one of them alone keeps the picture's
    aspect ratio.

    Raises:
        InvalidInputError: no size is given, or the result would be too small or too large.
    """
    fields, width, height = _requested(size, inputs)
    if min(width, height) < _MIN_SIDE_PX:
        raise InvalidInputError(
            f"{fields}: the refined picture would have {width} × {height} pixels; each"
            f" side needs at least {_MIN_SIDE_PX}"
        )
    if width * height > max_pixels:
        raise InvalidInputError(
            f"{fields}: the refined picture would have {width} × {height} pixels; at"
            f" most {max_pixels} are allowed"
        )
    return width, height


def _requested(size: tuple[int, int], inputs: RefineInputs) -> tuple[str, int, int]:
    """Return the names of the fields that determine the size, and the size."""
    width, height = size
    if not inputs.upscale_enabled:
        return "base_image_url", width, height
    if inputs.target_width and inputs.target_height:
        return "target_width, target_height", inputs.target_width, inputs.target_height
    if inputs.target_width:
        return "target_width", inputs.target_width, round(height * inputs.target_width / width)
    if inputs.target_height:
        return "target_height", round(width * inputs.target_height / height), inputs.target_height
    if factor := inputs.upscale_factor:
        return "upscale_factor", round(width * factor), round(height * factor)
    raise InvalidInputError(
        "upscale_factor: give it, or target_width and target_height, or set upscale_enabled to"
        " false"
    )
