"""Which sizes the local model can do."""

from api_gateway.errors import Fault
from shared.settings import ModelSettings

SIDE_MULTIPLE_PX = 16
"""FLUX packs 2 × 2 latents, each of 8 × 8 pixels."""


def check_size(name: str, side_px: int, model: ModelSettings) -> list[Fault]:
    """What is wrong with one side of a picture to be generated."""
    most = model.max_side_px
    if SIDE_MULTIPLE_PX <= side_px <= most and side_px % SIDE_MULTIPLE_PX == 0:
        return []
    message = (
        f"the model makes sides of {SIDE_MULTIPLE_PX} to {most} px in steps of "
        f"{SIDE_MULTIPLE_PX}, not {side_px}; {model.native_side_px} is what it was trained at"
    )
    return [Fault((name,), message)]
