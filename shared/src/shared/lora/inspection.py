"""Admits a LoRA file: checked whole, read in small pieces, never loaded."""

from dataclasses import dataclass
from pathlib import Path

from shared.lora.base_model import FLUX_1, guess_base_model
from shared.lora.finite import check_finite
from shared.lora.flux import check_offsets, plan_flux
from shared.lora.header import read_header
from shared.lora.layers import find_pairs, target_modules
from shared.lora.scales import read_scales

_MAX_TARGETS = 200
_MAX_NOTES = 64
_MAX_NOTE_CHARS = 1024


@dataclass(frozen=True)
class LoraSummary:
    """What a file says about itself.

    Attributes:
        rank: the greatest of its pairs' ranks.
        target_modules: what it changes, without block numbers.
        base_model: a guess at the family of models it belongs to.
        metadata: the short ones of the notes that its trainer left in it.
    """

    rank: int
    target_modules: list[str]
    base_model: str | None
    metadata: dict[str, str]


def inspect_lora(path: Path) -> LoraSummary:
    """Check a safetensors file and say what it is.

    Raises:
        LoraFileError: it is malformed, not finite, no LoRA, or not to be applied as it was trained.
    """
    with path.open("rb") as file:
        header = read_header(file, path.stat().st_size)
        found = find_pairs(header.tensors)
        check_finite(file, header)
        check_offsets(file, header, found.offsets)
        base_model = guess_base_model(found.pairs)
        if base_model == FLUX_1:
            plan_flux(file, header, found.pairs)
        else:
            read_scales(file, header, found.pairs)
    notes = [
        (name, value)
        for name, value in header.metadata.items()
        if len(name) + len(value) <= _MAX_NOTE_CHARS
    ]
    return LoraSummary(
        rank=max(pair.rank for pair in found.pairs),
        target_modules=target_modules(found.pairs)[:_MAX_TARGETS],
        base_model=base_model,
        metadata=dict(notes[:_MAX_NOTES]),
    )
