"""Changes that a LoRA file makes to FLUX.1, layer by layer; errors if it cannot be applied exactly.

Upload and workers use the same code: a file that a worker could not apply is refused at upload.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shared.lora.errors import LoraFileError, shown
from shared.lora.flux_names import LayerSlice, ModelPart, WrongShapeError, find_layer_slices
from shared.lora.header import Header, read_header
from shared.lora.layers import LoraPair, find_pairs
from shared.lora.scales import read_scales
from shared.lora.values import is_zero

_FLOATS = frozenset({"F8_E4M3", "F8_E5M2", "F16", "BF16", "F32", "F64"})


@dataclass(frozen=True)
class LoraChange:
    """A pair of a LoRA file and the layers that its product is added to.

    Attributes:
        pair: the pair.
        scale: factor of the product.
        places: slices of the product's rows, each with its layer.
    """

    pair: LoraPair
    scale: float
    places: tuple[LayerSlice, ...]


def read_flux_plan(path: Path) -> list[LoraChange]:
    """Return all changes of a stored file.

    Raises:
        LoraFileError: the file is malformed, not a LoRA, or cannot be applied to FLUX.1.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        header = read_header(file, path.stat().st_size)
        found = find_pairs(header.tensors)
        check_offsets(file, header, found.offsets)
        return plan_flux(file, header, found.pairs)


def check_offsets(file: BinaryIO, header: Header, names: Iterable[str]) -> None:
    """Check that the offsets are 0 throughout: they are not applied here.

    Raises:
        LoraFileError: an offset is not 0; the message names the first.
    """
    for name in names:
        if not is_zero(file, header, name):
            raise LoraFileError(
                f"has {shown(name)}, a bias or norm, which is not applied here; train without "
                "biases and norms (PEFT: bias='none', lora_bias=False), or remove it"
            )


def plan_flux(file: BinaryIO, header: Header, pairs: Iterable[LoraPair]) -> list[LoraChange]:
    """Return the change that each pair makes; pairs whose product is 0 are omitted.

    Raises:
        LoraFileError: FLUX.1 does not have a layer, a layer is changed twice (the message names
            the first), or all products are 0.
    """
    pairs = list(pairs)
    scales = read_scales(file, header, pairs)
    changes: list[LoraChange] = []
    changed: dict[tuple[ModelPart, str], str] = {}
    for pair in pairs:
        places = _places(pair)
        if is_zero(file, header, pair.up) or is_zero(file, header, pair.down):
            continue
        if places is None:
            raise LoraFileError(
                f"changes {shown(pair.module)}, which is not a layer of FLUX.1 that a LoRA can "
                "change here; train without it, or upload a LoRA of FLUX.1"
            )
        for place in places:
            before = changed.setdefault((place.part, place.layer), pair.module)
            if before != pair.module:
                raise LoraFileError(
                    f"changes {place.layer} twice, as {shown(before)} and as {shown(pair.module)}; "
                    "keep the tensors of one of them"
                )
        _check_floats(header, pair)
        changes.append(LoraChange(pair, scales[pair.module], places))
    if not changes:
        raise LoraFileError("changes nothing: every number in it is 0")
    return changes


def _check_floats(header: Header, pair: LoraPair) -> None:
    for name in (pair.down, pair.up):
        dtype = header.tensors[name].dtype
        if dtype not in _FLOATS:
            raise LoraFileError(
                f"has integers ({dtype}) in {shown(name)}, whose scale is unknown; save the LoRA "
                f"as one of {', '.join(sorted(_FLOATS))}"
            )


def _places(pair: LoraPair) -> tuple[LayerSlice, ...] | None:
    if not pair.is_linear:
        return None
    try:
        return find_layer_slices(pair.module, pair.in_features, pair.out_features)
    except WrongShapeError as error:
        raise LoraFileError(
            f"has a pair of {shown(pair.module)} that {error}; a LoRA of FLUX.1 is needed"
        ) from error
