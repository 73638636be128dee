"""Recognises a LoRA by its tensors' names: the pairs, their ranks, what they change and in whom.

Names as diffusers, PEFT, kohya's scripts, ai-toolkit and x-flux write them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.lora.errors import LoraFileError, shown
from shared.lora.header import TensorEntry

_HALF = re.compile(
    r"(?P<module>.+?)(?:"
    r"\.lora_(?P<letter>A|B|down|up)(?:\.(?P<adapter>\w+))?\.weight"  # PEFT, ai-toolkit, kohya
    r"|\.lora_embedding_(?P<embedding>A|B)(?:\.\w+)?"  # PEFT, of an embedding
    r"|(?:\.lora|\.lora_linear_layer|_lora\d?)\.(?P<word>down|up)\.weight"  # diffusers, x-flux
    r")"
)
_COMPANION = re.compile(
    r"(?P<module>.+?)\.(?:alpha|dora_scale|lora_mid\.weight|lora_magnitude_vector(?:\.\w+)*"
    r"|lora_B(?:\.\w+)?\.bias|diff_b|bias_diff)"
)
_OTHER_METHODS = re.compile(r"\.(?:hada_|lokr_|oft_|boft_|ia3_)")
_DOWN = frozenset({"A", "down"})

_BLOCK = re.compile(r"(?:^|.*[._])(?:blocks|block|layers|resnets|attentions)[._]\d+[._]")
_PREFIX = re.compile(
    r"^(?:base_model[._]model[._]|model[._]|transformer[._]|unet[._]|diffusion_model[._]|"
    r"text_encoder(?:_\d)?[._]|text_model[._]|"
    r"lora_(?:unet|transformer|te\d?|text_encoder)[._])+"
)


@dataclass(frozen=True, slots=True)
class LoraPair:
    """Two matrices whose product is added to one of the model's."""

    module: str
    """The changed matrix, as the file calls it."""
    rank: int
    in_features: int


def find_pairs(tensors: dict[str, TensorEntry]) -> list[LoraPair]:
    """The pairs of a LoRA; every tensor belongs to one.

    Raises:
        LoraFileError: it has other tensors, or half a pair, or one whose ranks differ.
    """
    halves: dict[tuple[str, bool], tuple[str, TensorEntry]] = {}
    companions: dict[str, str] = {}
    for name, entry in tensors.items():
        if match := _HALF.fullmatch(name):
            half = match["letter"] or match["embedding"] or match["word"]
            place = (match["module"], half in _DOWN)
            if place in halves:
                raise LoraFileError(f"has {shown(name)} beside {shown(halves[place][0])}")
            halves[place] = (name, entry)
        elif match := _COMPANION.fullmatch(name):
            companions.setdefault(match["module"], name)
        else:
            raise _unknown(name)
    if not halves:
        raise LoraFileError("is no LoRA: it has no pair of matrices such as lora_A and lora_B")
    pairs = [_pair(module, halves) for module in dict.fromkeys(module for module, _ in halves)]
    _check_companions(companions, {pair.module for pair in pairs})
    return pairs


def _unknown(name: str) -> LoraFileError:
    if _OTHER_METHODS.search(name):
        return LoraFileError(f"is another kind of adapter (tensor {shown(name)}); LoRA is needed")
    return LoraFileError(
        f"has a tensor {shown(name)} that belongs to no LoRA; pairs are named lora_A and lora_B, "
        "lora_down and lora_up, or lora.down and lora.up"
    )


def _pair(module: str, halves: dict[tuple[str, bool], tuple[str, TensorEntry]]) -> LoraPair:
    down, up = halves.get((module, True)), halves.get((module, False))
    if down is None or up is None:
        (name, _) = down or up or ("", None)
        raise LoraFileError(f"has {shown(name)} without the other half of its pair")
    (down_name, a), (up_name, b) = down, up
    if len(a.shape) < 2 or len(b.shape) < 2 or not a.size or not b.size:
        raise LoraFileError(f"has a pair {shown(down_name)} that are not two matrices")
    rank = a.shape[0]
    if b.shape[1] != rank:
        raise LoraFileError(
            f"has a pair that does not fit: {shown(down_name)} has rank {rank}, "
            f"{shown(up_name)} rank {b.shape[1]}"
        )
    return LoraPair(module, rank, a.shape[1])


def _check_companions(companions: dict[str, str], modules: set[str]) -> None:
    for module, name in companions.items():
        if module not in modules:
            raise LoraFileError(f"has {shown(name)} without the pair that it belongs to")


def target_modules(pairs: Iterable[LoraPair]) -> list[str]:
    """What is changed, without prefix and block numbers: `attn.to_q`, `img_attn_proj`."""
    return sorted({_target(pair.module) for pair in pairs})


def _target(module: str) -> str:
    block = _BLOCK.match(module)
    return module[block.end() :] if block else _PREFIX.sub("", module)
