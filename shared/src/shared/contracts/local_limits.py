"""The limits of our own model that requests keep: the gateway knows it, and so do mapped values."""

from shared.contracts.capabilities import LORA_FIELDS, lora_weight_field
from shared.contracts.generation import MAX_LORA_WEIGHT

SIDES = ("width", "height")
LORA_WEIGHTS = tuple(map(lora_weight_field, LORA_FIELDS))
SIDE_MULTIPLE_PX = 16
"""FLUX packs 2 × 2 latents, each of 8 × 8 pixels."""

MAX_SIDE_PX = "max_side_px"
"""The input that says how long a side the local model may make, beside one that is mapped. The
gateway alone writes it."""


def side_fault(side_px: int, most_px: int | None) -> str | None:
    """Return why the local model makes no picture with such a side.

    Args:
        side_px: the side.
        most_px: the longest that the model may make; none: nobody has said.
    """
    is_short = most_px is None or side_px <= most_px
    if side_px >= SIDE_MULTIPLE_PX and is_short and side_px % SIDE_MULTIPLE_PX == 0:
        return None
    up_to = "px and more" if most_px is None else f"to {most_px} px"
    steps = f"in steps of {SIDE_MULTIPLE_PX}, not {side_px}"
    return f"the model makes sides of {SIDE_MULTIPLE_PX} {up_to} {steps}"


def weight_fault(weight: float) -> str | None:
    """Return why the local model lets no LoRA act so strongly."""
    if abs(weight) <= MAX_LORA_WEIGHT:
        return None
    return f"goes from {-MAX_LORA_WEIGHT} to {MAX_LORA_WEIGHT}"
