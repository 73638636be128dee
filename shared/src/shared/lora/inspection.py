"""Admission of LoRA files: every tensor is checked, in chunks, without loading the file."""

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
    """Properties of a LoRA file.

    Attributes:
        rank: the greatest rank of its pairs.
        target_modules: names of the changed layers, without block numbers.
        base_model: a guess of the model family; none: unknown.
        metadata: the short entries of the header's metadata.
    """

    rank: int
    target_modules: list[str]
    base_model: str | None
    metadata: dict[str, str]


def inspect_lora(path: Path) -> LoraSummary:
    """Check a safetensors file, and return its properties.

    Raises:
        LoraFileError: the file is malformed, has NaN or infinite numbers, is not a LoRA, or cannot
            be applied exactly as it was trained.
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
