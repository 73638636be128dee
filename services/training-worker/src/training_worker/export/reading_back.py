"""The check that a written LoRA file holds what was trained, by the readers of our workers."""

from pathlib import Path

import torch
from torch import Tensor

from shared.contracts.enums import ErrorCategory
from shared.errors import PlatformError
from shared.flux.engine import LoraUse
from shared.flux.lora.reading import Pair, Pairs, read_lora
from shared.lora.base_model import FLUX_1
from shared.lora.errors import LoraFileError
from shared.lora.inspection import LoraSummary, inspect_lora
from training_worker.export.layouts import Weights

_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"


class ExportError(PlatformError):
    """A written file does not hold a usable LoRA. The message names the cause."""


def check_file(path: Path, weights: Weights, *, rank: int, dtype: torch.dtype) -> LoraSummary:
    """Read a file as an upload is read, and as the inference worker reads it, and compare.

    Args:
        path: of the file.
        weights: that were written.
        rank: that it must have.
        dtype: that it was written in.

    Returns:
        Its properties, as the LoRA store records them.

    Raises:
        ExportError: the file is no admissible LoRA of FLUX.1, or holds other numbers.
    """
    summary = _inspect(path)
    if summary.base_model != FLUX_1:
        raise ExportError(
            f"the trained file is read as a LoRA of {summary.base_model or 'an unknown model'}"
        )
    if summary.rank != rank:
        raise ExportError(f"the trained file has rank {summary.rank}; rank {rank} was trained")
    found = {name: pair for name, pair in read_pairs(path).items() if _acts(pair)}
    expected = _expected(weights, dtype)
    if found.keys() != expected.keys():
        names = sorted(found.keys() ^ expected.keys())
        raise ExportError(f"the trained file and the training differ in the layer {names[0]}")
    if not found:
        raise ExportError(
            "the trained file changes nothing; raise learning_rate or steps",
            category=ErrorCategory.VALIDATION,
        )
    for name, pair in expected.items():
        if not _is_equal(pair.down, found[name].down) or not _is_equal(pair.up, found[name].up):
            raise ExportError(f"the trained file has other numbers for {name} than the training")
    return summary


def read_pairs(path: Path) -> Pairs:
    """Return the pairs of a file for the transformer, as the inference worker reads them."""
    return read_lora(LoraUse(field="the trained file", sha256="", path=path, weight=1)).transformer


def _inspect(path: Path) -> LoraSummary:
    try:
        return inspect_lora(path)
    except LoraFileError as error:
        raise ExportError(
            f"the trained file {error}; a learning rate that is too high gives NaN, one that is"
            " too low changes nothing",
            category=ErrorCategory.VALIDATION,
        ) from error


def _expected(weights: Weights, dtype: torch.dtype) -> Pairs:
    """Return the pairs that a reader finds: without those that change nothing."""
    pairs: dict[str, Pair] = {}
    for name, down in weights.items():
        if not name.endswith(_DOWN):
            continue
        target = name.removesuffix(_DOWN)
        down_, up = (part.detach().cpu().to(dtype) for part in (down, weights[target + _UP]))
        acts = up.any(dim=0)
        if _acts(Pair(down_, up)):
            pairs[target] = Pair(down_[acts], up[:, acts])
    return pairs


def _acts(pair: Pair) -> bool:
    return bool(pair.down.any()) and bool(pair.up.any())


def _is_equal(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first.float(), second.float())
