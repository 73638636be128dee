"""How large a refined picture becomes."""

from shared.contracts.refinement import RefineInputs
from shared.errors import InvalidInputError

_MIN_SIDE_PX = 16


def target_size(size: tuple[int, int], inputs: RefineInputs, *, max_pixels: int) -> tuple[int, int]:
    """The exact size of the result.

    A target width and height win over a factor; one of them alone keeps the picture's proportions.

    Raises:
        InvalidInputError: nothing says how large, or the result would be too small or too large.
    """
    width, height = _requested(size, inputs)
    if min(width, height) < _MIN_SIDE_PX:
        raise InvalidInputError(
            f"the refined picture would have {width} × {height} pixels; each side needs at least"
            f" {_MIN_SIDE_PX}"
        )
    if width * height > max_pixels:
        raise InvalidInputError(
            f"the refined picture would have {width} × {height} pixels; at most {max_pixels}:"
            " lower upscale_factor, target_width or target_height"
        )
    return width, height


def _requested(size: tuple[int, int], inputs: RefineInputs) -> tuple[int, int]:
    width, height = size
    if not inputs.upscale_enabled:
        return size
    if inputs.target_width and inputs.target_height:
        return inputs.target_width, inputs.target_height
    if inputs.target_width:
        return inputs.target_width, round(height * inputs.target_width / width)
    if inputs.target_height:
        return round(width * inputs.target_height / height), inputs.target_height
    if inputs.upscale_factor:
        return round(width * inputs.upscale_factor), round(height * inputs.upscale_factor)
    raise InvalidInputError(
        "upscale_factor: give it, or target_width and target_height, or set upscale_enabled to"
        " false"
    )
