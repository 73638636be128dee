"""Guess of the base model that a LoRA was trained for, from its layers."""

import re
from collections.abc import Iterable

from shared.lora.layers import LoraPair

FLUX_1 = "FLUX.1"

_TEXT_ENCODER = re.compile(r"(?:^|\.)(?:text_encoder|lora_te\d?[_.]|text_model|clip_l\.|t5\.)")
_CROSS_ATTENTION_INPUT = re.compile(r"attn2[._](?:processor[._])?to_[kv]$")
_UNET = re.compile(r"(?:input|output|down|up|middle|mid)_blocks?[._]")
_DEEP_UNET_BLOCK = re.compile(r"transformer_blocks[._][2-9][._]")

_BY_CONTEXT_WIDTH = {768: "SD 1.x", 1024: "SD 2.x", 2048: "SDXL"}
_BY_LAYER = (
    (
        re.compile(
            r"to_qkv_mlp_proj|(?:double|single)_stream_modulation|ff(?:_context)?[._]linear_"
        ),
        "FLUX.2",
    ),
    (re.compile(r"joint_transformer_blocks"), "AuraFlow"),
    (re.compile(r"distilled_guidance_layer"), "Chroma"),
    (
        re.compile(
            r"token_refiner|blocks\.\d+\.(?:img|txt)_(?:attn|mod|mlp)_"
            r"|(?:img|txt)_mlp[._]fc|(?:img|txt)_mod[._]linear"
        ),
        "HunyuanVideo",
    ),
    (re.compile(r"single_transformer_blocks|single_blocks|double_blocks"), FLUX_1),
    (re.compile(r"joint_blocks"), "SD3"),
    (re.compile(r"(?:img|txt)_(?:mlp|mod)[._]"), "Qwen-Image"),
)
"""Transformers that are recognised by a layer's name; the first match counts."""

_DOUBLE_BLOCK = re.compile(r"attn[._](?:add_|to_add_out)|ff_context")
_SD3_WIDTHS = frozenset({1536, 2432})


def guess_base_model(pairs: Iterable[LoraPair]) -> str | None:
    """Return the family of models with such layers; none if unknown."""
    pairs = list(pairs)
    backbone = [pair for pair in pairs if not _TEXT_ENCODER.search(pair.module)]
    if not backbone:
        return _of_text_encoders(pairs)
    if any(_UNET.search(pair.module) for pair in backbone):
        return _of_unet(backbone)
    return _of_transformer(backbone)


def _of_text_encoders(pairs: list[LoraPair]) -> str | None:
    # Only SDXL has a second CLIP; FLUX.1 has a T5 in addition to its CLIP.
    if any("SelfAttention" in pair.module for pair in pairs):
        return FLUX_1
    if any(pair.module.startswith("lora_te2_") for pair in pairs):
        return "SDXL"
    return None


def _of_unet(pairs: list[LoraPair]) -> str | None:
    for pair in pairs:
        if _CROSS_ATTENTION_INPUT.search(pair.layer) and pair.in_features in _BY_CONTEXT_WIDTH:
            return _BY_CONTEXT_WIDTH[pair.in_features]
    return "SDXL" if any(_DEEP_UNET_BLOCK.search(pair.module) for pair in pairs) else None


def _of_transformer(pairs: list[LoraPair]) -> str | None:
    for pattern, family in _BY_LAYER:
        if any(pattern.search(pair.module) for pair in pairs):
            return family
    if not any("transformer_blocks" in pair.module for pair in pairs):
        return None
    if any(pair.in_features in _SD3_WIDTHS for pair in pairs):
        return "SD3"
    # Only double blocks; SD3 has the same names with other widths.
    return FLUX_1 if any(_DOUBLE_BLOCK.search(pair.module) for pair in pairs) else None
