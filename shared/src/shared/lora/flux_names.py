"""Every name that trainers give to FLUX.1's layers, and the layers that diffusers has for them.

The original model joins what diffusers has apart (`qkv`, `linear1`), and its last modulation has
its halves the other way round.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
_ADDED = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")


class ModelPart(StrEnum):
    """A part of the model that LoRAs change, as diffusers' folders call it."""

    TRANSFORMER = "transformer"
    CLIP = "text_encoder"
    T5 = "text_encoder_2"


@dataclass(frozen=True)
class LayerSlice:
    """Rows of a pair's product, and the layer they are added to.

    Attributes:
        part: of the model.
        layer: within the part, as diffusers and transformers name it.
        rows: first and last (exclusive) of the product's, in the layer's order.
    """

    part: ModelPart
    layer: str
    rows: tuple[tuple[int, int], ...]


class WrongShapeError(ValueError):
    """A pair has other features than a FLUX.1 layer of its name; the message says which."""


@dataclass(frozen=True)
class _Layers:
    """The layers behind one name: one, or those that it joins, side by side."""

    names: tuple[str, ...]
    is_swapped: bool = False

    def split(self, in_features: int, out_features: int) -> tuple[tuple[tuple[int, int], ...], ...]:
        if self.is_swapped:
            half, rest = divmod(out_features, 2)
            if rest:
                raise WrongShapeError(f"gives {out_features} features, which are no two halves")
            return (((half, 2 * half), (0, half)),)
        if len(self.names) == 1:
            return (((0, out_features),),)
        widths = [in_features] * 3
        if len(self.names) == 4:
            widths.append(out_features - sum(widths))
        if widths[-1] <= 0 or sum(widths) != out_features:
            raise WrongShapeError(
                f"takes {in_features} and gives {out_features} features, which are no query, key "
                "and value" + (" beside an MLP" if len(self.names) == 4 else "")
            )
        ends = [sum(widths[: index + 1]) for index in range(len(widths))]
        return tuple(((end - width, end),) for end, width in zip(ends, widths, strict=True))


def _alike(*names: str) -> dict[str, _Layers]:
    return {name: _Layers((name,)) for name in names}


def _attention(joined: str, parts: tuple[str, ...]) -> dict[str, _Layers]:
    """A joined projection: whole, and as OneTrainer writes its parts."""
    return {joined: _Layers(parts)} | {
        f"{joined}.{index}": _Layers((part,)) for index, part in enumerate(parts)
    }


def _processors(layers: Mapping[str, str]) -> dict[str, _Layers]:
    """As early diffusers wrote them."""
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
    **_alike(*_QKV, *_ADDED, "attn.to_out.0", "attn.to_add_out"),
    **_alike("ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2"),
    **_alike("norm1.linear", "norm1_context.linear"),
    **_processors(
        {name: name for name in ("to_q", "to_k", "to_v", "to_add_out")}
        | {name: name for name in ("add_q_proj", "add_k_proj", "add_v_proj")}
        | {"to_out": "to_out.0"}
    ),
}
"""Of a block with a stream each for picture and text."""

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
"""The same as DiffSynth-Studio has it, streams a and b."""

_SINGLE: Mapping[str, _Layers] = {
    **_attention("linear1", (*_QKV, "proj_mlp")),
    "to_qkv_mlp": _Layers((*_QKV, "proj_mlp")),
    "linear2": _Layers(("proj_out",)),
    "modulation.lin": _Layers(("norm.linear",)),
    "processor.qkv_lora": _Layers(_QKV),
    "processor.proj_lora": _Layers(("proj_out",)),
    "attn.to_qkv": _Layers(_QKV),
    **_alike(*_QKV, "proj_mlp", "proj_out", "norm.linear"),
    **_processors({name: name for name in ("to_q", "to_k", "to_v")}),
}
"""Of a block with one stream."""

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
    **_alike("x_embedder", "context_embedder", "proj_out", "norm_out.linear"),
    **_alike(
        *(
            f"{_EMBEDDER}.{layer}.linear_{index}"
            for layer in ("timestep_embedder", "text_embedder", "guidance_embedder")
            for index in (1, 2)
        )
    ),
}

_CLIP: Mapping[str, _Layers] = {
    **_alike(*(f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")), "mlp.fc1", "mlp.fc2"),
    **{
        f"self_attn.to_{name}_lora": _Layers((f"self_attn.{name}_proj",))
        for name in ("q", "k", "v", "out")
    },
}
_T5: Mapping[str, _Layers] = _alike(
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
"""How names begin where they have the model's own dots; the first that fits counts."""

_FLAT_ROOTS = {
    ModelPart.T5: re.compile(r"lora_te[23]_"),
    ModelPart.CLIP: re.compile(r"lora_te1?_"),
    ModelPart.TRANSFORMER: re.compile(r"(?:lora_unet|lora_transformer|lycoris)_"),
}
"""How they begin where kohya's scripts, or ones like them, have written underscores for dots."""


class _Spelling:
    """Names of a part's layers, with the model's own dots or with underscores instead.

    Args:
        part: of the model.
        root: how its names begin.
        dot: what stands between the steps of a name.
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
        """Whether a name begins as they do."""
        return self._root.match(module) is not None

    def find(self, module: str) -> tuple[str, _Layers] | None:
        """The block of diffusers, if it is in one, and the layers."""
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
    """Return where a pair's product goes; none where no trainer calls a FLUX.1 layer so.

    Args:
        module: as a file names it.
        in_features: that the pair takes.
        out_features: that it gives.

    Raises:
        WrongShapeError: of another model, by its features.
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
