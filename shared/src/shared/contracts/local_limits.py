"""Limits of the local model, for checks at creation (gateway) and of mapped values (workflows)."""

from shared.contracts.capabilities import LORA_FIELDS, lora_weight_field
from shared.contracts.generation import MAX_LORA_WEIGHT

SIDES = ("width", "height")
LORA_WEIGHTS = tuple(map(lora_weight_field, LORA_FIELDS))
SIDE_MULTIPLE_PX = 16
"""FLUX packs 2 × 2 latents, each of 8 × 8 pixels."""

MAX_SIDE_PX = "max_side_px"
"""Name of the input with the longest side of the local model, set if a side is mapped. Only the
gateway writes it."""


def side_fault(side_px: int, most_px: int | None) -> str | None:
    """Return why the local model cannot generate a picture with such a side; none if it can.

    Args:
        side_px: the side, in pixels.
        most_px: the longest side that the model may generate, in pixels; none: unknown.
    """
    is_short = most_px is None or side_px <= most_px
    if side_px >= SIDE_MULTIPLE_PX and is_short and side_px % SIDE_MULTIPLE_PX == 0:
        return None
    up_to = "px and more" if most_px is None else f"to {most_px} px"
    steps = f"in steps of {SIDE_MULTIPLE_PX}, not {side_px}"
    return f"the model generates sides of {SIDE_MULTIPLE_PX} {up_to} {steps}"


def weight_fault(weight: float) -> str | None:
    """Return why the local model does not accept a LoRA weight; none if it does."""
    if abs(weight) <= MAX_LORA_WEIGHT:
        return None
    return f"must be from {-MAX_LORA_WEIGHT} to {MAX_LORA_WEIGHT}"
