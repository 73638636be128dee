"""Recognition of LoRA pairs by tensor names: modules, ranks and target modules.

Knows the names that diffusers, PEFT, kohya's scripts, ai-toolkit, OneTrainer and x-flux write.
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
    r"|(?:\.lora|\.lora_linear_layer|(?<=_lora)|(?<=_lora\d))\.(?P<word>down|up)\.weight"
    # diffusers and x-flux, whose modules differ only in `_lora1` and `_lora2`
    r")"
)
_ALPHA = re.compile(r"(?P<module>.+?)(?:\.lora|\.lora_linear_layer)?\.alpha")
_MIDDLE = re.compile(r"(?P<module>.+?)\.lora_mid\.weight")
_DORA = re.compile(r"\.(?:dora_scale|lora_magnitude_vector)(?:\.|$)")
_OFFSET = re.compile(r".+\.(?:lora_[AB](?:\.\w+)?\.bias|diff|diff_b|bias_diff|set_weight|bias)")
_OTHER_METHODS = re.compile(r"\.(?:hada_|lokr_|oft_|boft_|ia3_|vera_|w_norm|b_norm)")
_EMBEDDING = re.compile(r"^bundle_emb\b|^emb_params$|\.string_to_param")
_DOWN = frozenset({"A", "down"})

_BLOCK = re.compile(r"(?:^|.*[._])(?:blocks|block|layers|resnets|attentions)[._]\d+[._]")
_PREFIX = re.compile(
    r"^(?:base_model[._]model[._]|model[._]|transformer[._]|unet[._]|diffusion_model[._]|"
    r"text_encoder(?:_\d)?[._]|text_model[._]|"
    r"lora_(?:unet|transformer|te\d?|text_encoder)[._])+"
)
_OLD_SUFFIX = re.compile(r"_lora\d?$")


@dataclass(frozen=True, slots=True)
class LoraPair:
    """Two matrices, of shapes [rank, in] and [out, rank], whose product is added to a weight.

    Attributes:
        module: the changed layer, by its name in the file.
        down: name of the tensor [rank, in_features].
        up: name of the tensor [out_features, rank].
        alpha: name of the tensor that scales the pair; none: there is none.
        rank: of the pair.
        in_features: of the changed layer.
        out_features: of the changed layer.
        is_linear: true if both tensors are matrices and there is no third one.
    """

    module: str
    down: str
    up: str
    alpha: str | None
    rank: int
    in_features: int
    out_features: int
    is_linear: bool

    @property
    def layer(self) -> str:
        """The changed layer, without the suffix that early versions of diffusers append."""
        return _OLD_SUFFIX.sub("", self.module)


@dataclass(frozen=True)
class LoraTensors:
    """The tensors of a LoRA file by kind.

    Attributes:
        pairs: the pairs of matrices.
        offsets: names of biases and differences for a layer, which are not applied here.
    """

    pairs: list[LoraPair]
    offsets: list[str]


_Halves = dict[tuple[str, bool], tuple[str, TensorEntry]]


def find_pairs(tensors: dict[str, TensorEntry]) -> LoraTensors:
    """Group the tensors of a LoRA into pairs and offsets.

    Raises:
        LoraFileError: there is another kind of tensor, half a pair, or a pair whose ranks differ.
    """
    halves: _Halves = {}
    found: list[tuple[str, str]] = []
    middles: dict[str, str] = {}
    offsets: list[str] = []
    for name, entry in tensors.items():
        if match := _HALF.fullmatch(name):
            half = match["letter"] or match["embedding"] or match["word"]
            _add(halves, (match["module"], half in _DOWN), name, entry)
        elif match := _ALPHA.fullmatch(name):
            _check_alpha(name, entry)
            found.append((match["module"], name))
        elif match := _MIDDLE.fullmatch(name):
            middles[match["module"]] = name
        elif _OFFSET.fullmatch(name):
            offsets.append(name)
        else:
            raise _unknown(name)
    if not halves:
        raise LoraFileError("is not a LoRA: it has no pair of matrices such as lora_A and lora_B")
    modules = dict.fromkeys(module for module, _ in halves)
    alphas: dict[str, str] = {}
    for module, name in found:
        # Early versions of diffusers wrote `to_q_lora.down.weight` with `to_q.alpha`.
        _add_alpha(alphas, module if module in modules else f"{module}_lora", name)
    for module, name in (alphas | middles).items():
        if module not in modules:
            raise LoraFileError(f"has {shown(name)} without the pair that it belongs to")
    pairs = [_pair(module, halves, alphas.get(module), middles) for module in modules]
    return LoraTensors(pairs, offsets)


def _add(halves: _Halves, place: tuple[str, bool], name: str, entry: TensorEntry) -> None:
    if place in halves:
        raise LoraFileError(
            f"has both {shown(name)} and {shown(halves[place][0])}; keep one of them"
        )
    halves[place] = (name, entry)


def _check_alpha(name: str, entry: TensorEntry) -> None:
    if entry.size != 1:
        raise LoraFileError(f"has {entry.size} numbers in {shown(name)}; an alpha is one number")


def _add_alpha(alphas: dict[str, str], module: str, name: str) -> None:
    if module in alphas:
        raise LoraFileError(f"has both {shown(name)} and {shown(alphas[module])}; keep one of them")
    alphas[module] = name


def _unknown(name: str) -> LoraFileError:
    if _DORA.search(name):
        return LoraFileError(
            f"is a DoRA (tensor {shown(name)}), which is not supported and gives wrong results as "
            "a LoRA; train it again without DoRA"
        )
    if _OTHER_METHODS.search(name):
        return LoraFileError(
            f"is another kind of adapter (tensor {shown(name)}), which is not supported; "
            "upload a LoRA"
        )
    if _EMBEDDING.search(name):
        return LoraFileError(
            f"has an embedding (tensor {shown(name)}), which is not supported; save the LoRA "
            "without it"
        )
    return LoraFileError(
        f"has a tensor {shown(name)} that is not part of a LoRA; name pairs lora_A and lora_B, "
        "lora_down and lora_up, or lora.down and lora.up"
    )


def _pair(module: str, halves: _Halves, alpha: str | None, middles: dict[str, str]) -> LoraPair:
    down, up = halves.get((module, True)), halves.get((module, False))
    if down is None or up is None:
        (name, _) = down or up or ("", None)
        raise LoraFileError(f"has {shown(name)} without the other half of its pair")
    (down_name, a), (up_name, b) = down, up
    if len(a.shape) < 2 or len(b.shape) < 2 or not a.size or not b.size:
        raise LoraFileError(f"has a pair {shown(down_name)} whose tensors are not two matrices")
    rank = a.shape[0]
    if b.shape[1] != rank:
        raise LoraFileError(
            f"has a pair whose ranks differ: {shown(down_name)} has rank {rank}, "
            f"{shown(up_name)} rank {b.shape[1]}"
        )
    is_linear = len(a.shape) == len(b.shape) == 2 and module not in middles
    return LoraPair(
        module, down_name, up_name, alpha, rank, a.shape[1], b.shape[0], is_linear=is_linear
    )


def target_modules(pairs: Iterable[LoraPair]) -> list[str]:
    """Return the names of the changed layers without prefix and block number: `attn.to_q`."""
    return sorted({_target(pair.layer) for pair in pairs})


def _target(module: str) -> str:
    block = _BLOCK.match(module)
    return module[block.end() :] if block else _PREFIX.sub("", module)
