"""Map from the layer names of all known trainers to the layers of FLUX.1 in diffusers.

The original model fuses layers that diffusers keeps separate (`qkv`, `linear1`), and swaps the
halves of its last modulation (shift and scale).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
_ADDED = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")


class ModelPart(StrEnum):
    """Parts of the model that LoRAs change, by their folders in diffusers."""

    TRANSFORMER = "transformer"
    CLIP = "text_encoder"
    T5 = "text_encoder_2"


@dataclass(frozen=True)
class LayerSlice:
    """Rows of a pair's product, and the layer that they are added to.

    Attributes:
        part: the part of the model.
        layer: name within the part, in diffusers or transformers.
        rows: ranges (start, exclusive end) of the product's rows, in the order of the layer.
    """

    part: ModelPart
    layer: str
    rows: tuple[tuple[int, int], ...]


class WrongShapeError(ValueError):
    """The shape of a pair does not fit the FLUX.1 layer of its name; the message says why."""


@dataclass(frozen=True)
class _Layers:
    """The layers of a name: a single one, or several fused ones in the order of their rows."""

    names: tuple[str, ...]
    is_swapped: bool = False

    def split(self, in_features: int, out_features: int) -> tuple[tuple[tuple[int, int], ...], ...]:
        if self.is_swapped:
            half, rest = divmod(out_features, 2)
            if rest:
                raise WrongShapeError(f"gives {out_features} features, which is not an even number")
            return (((half, 2 * half), (0, half)),)
        if len(self.names) == 1:
            return (((0, out_features),),)
        widths = [in_features] * 3
        if len(self.names) == 4:
            widths.append(out_features - sum(widths))
        if widths[-1] <= 0 or sum(widths) != out_features:
            raise WrongShapeError(
                f"takes {in_features} and gives {out_features} features, which does not fit query, "
                "key and value" + (" with an MLP" if len(self.names) == 4 else "")
            )
        ends = [sum(widths[: index + 1]) for index in range(len(widths))]
        return tuple(((end - width, end),) for end, width in zip(ends, widths, strict=True))


def _same(*names: str) -> dict[str, _Layers]:
    return {name: _Layers((name,)) for name in names}


def _attention(joined: str, parts: tuple[str, ...]) -> dict[str, _Layers]:
    """Return the names of a fused projection: whole, and of its parts as OneTrainer writes them."""
    return {joined: _Layers(parts)} | {
        f"{joined}.{index}": _Layers((part,)) for index, part in enumerate(parts)
    }


def _processors(layers: Mapping[str, str]) -> dict[str, _Layers]:
    """Return the names of attention processors that early versions of diffusers wrote."""
    return {
        f"attn.processor.{name}_lora": _Layers((f"attn.{layer}",)) for name, layer in layers.items()
    }


_DOUBLE: Mapping[str, _Layers] = {
    **_attention("img_attn.qkv", _QKV),
    **_attention("txt_attn.qkv", _ADDED),
    "img_attn.proj": _Layers(("attn.to_out.0",)),
    "txt_attn.proj": _Layers(("attn.to_add_out",)),
    "img_mlp.0": _Layers(("ff.net.0.proj",)),
    "img_mlp.2": _Layers(("ff.net.2",)),
    "txt_mlp.0": _Layers(("ff_context.net.0.proj",)),
    "txt_mlp.2": _Layers(("ff_context.net.2",)),
    "img_mod.lin": _Layers(("norm1.linear",)),
    "txt_mod.lin": _Layers(("norm1_context.linear",)),
    "processor.qkv_lora1": _Layers(_QKV),
    "processor.qkv_lora2": _Layers(_ADDED),
    "processor.proj_lora1": _Layers(("attn.to_out.0",)),
    "processor.proj_lora2": _Layers(("attn.to_add_out",)),
    "attn.to_qkv": _Layers(_QKV),
    "attn.to_added_qkv": _Layers(_ADDED),
    "attn.to_out": _Layers(("attn.to_out.0",)),
    **_same(*_QKV, *_ADDED, "attn.to_out.0", "attn.to_add_out"),
    **_same("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2"),
    **_same("norm1.linear", "norm1_context.linear"),
    **_processors(
        {name: name for name in ("to_q", "to_k", "to_v", "to_add_out")}
        | {name: name for name in ("add_q_proj", "add_k_proj", "add_v_proj")}
        | {"to_out": "to_out.0"}
    ),
}
"""Names in a double-stream block (image and text)."""

_DIFFSYNTH: Mapping[str, _Layers] = {
    "attn.a_to_qkv": _Layers(_QKV),
    "attn.b_to_qkv": _Layers(_ADDED),
    "attn.a_to_out": _Layers(("attn.to_out.0",)),
    "attn.b_to_out": _Layers(("attn.to_add_out",)),
    "ff_a.0": _Layers(("ff.net.0.proj",)),
    "ff_a.2": _Layers(("ff.net.2",)),
    "ff_b.0": _Layers(("ff_context.net.0.proj",)),
    "ff_b.2": _Layers(("ff_context.net.2",)),
    "norm1_a.linear": _Layers(("norm1.linear",)),
    "norm1_b.linear": _Layers(("norm1_context.linear",)),
}
"""Names in a double-stream block in DiffSynth-Studio, with streams a (image) and b (text)."""

_SINGLE: Mapping[str, _Layers] = {
    **_attention("linear1", (*_QKV, "proj_mlp")),
    "to_qkv_mlp": _Layers((*_QKV, "proj_mlp")),
    "linear2": _Layers(("proj_out",)),
    "modulation.lin": _Layers(("norm.linear",)),
    "processor.qkv_lora": _Layers(_QKV),
    "processor.proj_lora": _Layers(("proj_out",)),
    "attn.to_qkv": _Layers(_QKV),
    **_same(*_QKV, "proj_mlp", "proj_out", "norm.linear"),
    **_processors({name: name for name in ("to_q", "to_k", "to_v")}),
}
"""Names in a single-stream block."""

_EMBEDDER = "time_text_embed"
_OUTSIDE: Mapping[str, _Layers] = {
    "img_in": _Layers(("x_embedder",)),
    "img_in.proj": _Layers(("x_embedder",)),
    "txt_in": _Layers(("context_embedder",)),
    **{
        f"{name}.{old}_layer": _Layers((f"{_EMBEDDER}.{layer}.linear_{new}",))
        for name, layer in (
            ("time_in", "timestep_embedder"),
            ("vector_in", "text_embedder"),
            ("guidance_in", "guidance_embedder"),
        )
        for old, new in (("in", 1), ("out", 2))
    },
    "final_layer.linear": _Layers(("proj_out",)),
    "final_layer.adaLN_modulation.1": _Layers(("norm_out.linear",), is_swapped=True),
    **_same("x_embedder", "context_embedder", "proj_out", "norm_out.linear"),
    **_same(
        *(
            f"{_EMBEDDER}.{layer}.linear_{index}"
            for layer in ("timestep_embedder", "text_embedder", "guidance_embedder")
            for index in (1, 2)
        )
    ),
}

_CLIP: Mapping[str, _Layers] = {
    **_same(*(f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")), "mlp.fc1", "mlp.fc2"),
    **{
        f"self_attn.to_{name}_lora": _Layers((f"self_attn.{name}_proj",))
        for name in ("q", "k", "v", "out")
    },
}
_T5: Mapping[str, _Layers] = _same(
    *(f"layer.0.SelfAttention.{name}" for name in "qkvo"),
    *(f"layer.1.DenseReluDense.{name}" for name in ("wi", "wi_0", "wi_1", "wo")),
)

_Table = Mapping[str, _Layers]
_BLOCKS: Mapping[str, tuple[str, _Table]] = {
    "double_blocks": ("transformer_blocks", _DOUBLE),
    "transformer_blocks": ("transformer_blocks", _DOUBLE),
    "blocks": ("transformer_blocks", _DIFFSYNTH),
    "single_blocks": ("single_transformer_blocks", _SINGLE),
    "single_transformer_blocks": ("single_transformer_blocks", _SINGLE),
    "text_model.encoder.layers": ("text_model.encoder.layers", _CLIP),
    "encoder.layers": ("text_model.encoder.layers", _CLIP),
    "encoder.block": ("encoder.block", _T5),
}

_WRAPPED = r"(?:base_model\.model\.)?"
_DOTTED_ROOTS = {
    ModelPart.T5: re.compile(
        rf"{_WRAPPED}(?:text_encoder_2\.|text_encoders\.t5xxl\.(?:transformer\.)?|t5\."
        rf"|lora_te[23]\.){_WRAPPED}"
    ),
    ModelPart.CLIP: re.compile(
        rf"{_WRAPPED}(?:text_encoder\.|text_encoders\.clip_l\.(?:transformer\.)?|clip_l\."
        rf"|lora_te1?\.|(?=text_model\.)){_WRAPPED}"
    ),
    ModelPart.TRANSFORMER: re.compile(
        r"(?:base_model\.model\.|model\.|diffusion_model\.|transformer\.|unet\.|lora_unet\."
        r"|lora_transformer\.)*"
    ),
}
"""Prefixes of names with dots; the first match counts."""

_FLAT_ROOTS = {
    ModelPart.T5: re.compile(r"lora_te[23]_"),
    ModelPart.CLIP: re.compile(r"lora_te1?_"),
    ModelPart.TRANSFORMER: re.compile(r"(?:lora_unet|lora_transformer|lycoris)_"),
}
"""Prefixes of names in which kohya's and similar scripts replace dots by underscores."""


class _Spelling:
    """Names of a part's layers, separated by dots or by underscores.

    Args:
        part: the part of the model.
        root: pattern of the prefix.
        dot: separator of the names.
    """

    def __init__(self, part: ModelPart, root: re.Pattern[str], dot: str) -> None:
        tables = {
            ModelPart.TRANSFORMER: (_DOUBLE, _DIFFSYNTH, _SINGLE),
            ModelPart.CLIP: (_CLIP,),
            ModelPart.T5: (_T5,),
        }[part]
        self._root = root
        self._blocks = {
            name.replace(".", dot): (to, {n.replace(".", dot): layers for n, layers in t.items()})
            for name, (to, t) in _BLOCKS.items()
            if t in tables
        }
        outside: _Table = _OUTSIDE if part is ModelPart.TRANSFORMER else {}
        self._outside = {name.replace(".", dot): layers for name, layers in outside.items()}
        dot, names = re.escape(dot), "|".join(map(re.escape, self._blocks))
        self._block = re.compile(rf"({names}){dot}(0|[1-9]\d{{0,3}}){dot}(.+)")

    def is_of(self, module: str) -> bool:
        """Return true if a name has this prefix."""
        return self._root.match(module) is not None

    def find(self, module: str) -> tuple[str, _Layers] | None:
        """Return the prefix of the block in diffusers (empty outside blocks) and the layers."""
        root = self._root.match(module)
        assert root is not None
        name = module[root.end() :]
        stem, table = "", self._outside
        if block := self._block.fullmatch(name):
            to, table = self._blocks[block[1]]
            stem, name = f"{to}.{block[2]}.", block[3]
        return (stem, table[name]) if name in table else None


_SPELLINGS = [
    *((part, _Spelling(part, root, "_")) for part, root in _FLAT_ROOTS.items()),
    *((part, _Spelling(part, root, ".")) for part, root in _DOTTED_ROOTS.items()),
]


def find_layer_slices(
    module: str, in_features: int, out_features: int
) -> tuple[LayerSlice, ...] | None:
    """Return the layers that a pair changes; none if the name is not of a FLUX.1 layer.

    Args:
        module: name in the file.
        in_features: of the pair.
        out_features: of the pair.

    Raises:
        WrongShapeError: the features do not fit the layer, so the LoRA is of another model.
    """
    part, spelling = next((p, spelling) for p, spelling in _SPELLINGS if spelling.is_of(module))
    found = spelling.find(module)
    if found is None:
        return None
    stem, layers = found
    rows = layers.split(in_features, out_features)
    return tuple(
        LayerSlice(part, f"{stem}{name}", own) for name, own in zip(layers.names, rows, strict=True)
    )
