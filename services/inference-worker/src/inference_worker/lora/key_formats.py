"""Trainers' names for a LoRA's tensors become the model's own, through diffusers' converters.

What those converters would drop without a word is taken out before, so that it can be told.
"""

import re
from collections.abc import Iterable
from typing import Any, cast

from diffusers.utils import state_dict_utils
from torch import Tensor

from inference_worker.pipelines.diffusers_functions import FluxPipeline

Tensors = dict[str, Tensor]

TRANSFORMER, CLIP = "transformer.", "text_encoder."

_state_dicts = cast(Any, state_dict_utils)
_CLIP_NAMES = _state_dicts.DIFFUSERS_OLD_TO_PEFT | _state_dicts.DIFFUSERS_TO_PEFT
"""Both at once: diffusers infers which from layers that a LoRA may not have."""

_UNUSED = re.compile(
    r"\.diff_b$|\.bias_diff$|\.bias$|lora_embedding_"
    r"|^lora_te[23]_|^text_encoder_[23]\.|t5xxl|text_projection|position_embedding"
)
"""Parts of a LoRA beyond its pairs of matrices, and encoders that FLUX does not condition with."""

_KOHYA_DOWN = ".lora_down.weight"
_KOHYA_ROOTS = (
    ("transformer.",),
    ("lora_transformer_", "lora_te1_"),
    (
        "lora_unet_",
        "lora_te_",
        "lora_te1_",
        "diffusion_model.",
        "text_encoders.clip_l.transformer.",
    ),
)
"""How names begin in kohya's formats, told apart by their first; of a file that mixes them,
diffusers reads one alone."""

_PEFT_ROOT = "base_model.model."
_ORIGINAL_BLOCKS = (f"{_PEFT_ROOT}double_blocks.", f"{_PEFT_ROOT}single_blocks.")
_ADAPTER_NAME = re.compile(r"(\.lora_[AB])\.(?!weight$)\w+(\.weight)$")


def is_kohya(names: Iterable[str]) -> bool:
    """Whether kohya's scripts, or ones that follow them, named the tensors."""
    return any(_KOHYA_DOWN in name for name in names)


def unused(names: Iterable[str]) -> set[str]:
    """The tensors that have no effect here: nothing reads them."""
    names = list(names)
    found = {name for name in names if _UNUSED.search(name)}
    if is_kohya(names):
        roots = next(
            roots
            for roots in _KOHYA_ROOTS
            if roots is _KOHYA_ROOTS[-1] or any(name.startswith(roots[0]) for name in names)
        )
        found |= {name for name in names if not name.startswith(roots)}
    return found


def plain_names(tensors: Tensors) -> Tensors:
    """PEFT's own names without what it wraps around: its model's, and the adapter's."""
    plain = {_ADAPTER_NAME.sub(r"\1\2", name): tensor for name, tensor in tensors.items()}
    if any(name.startswith(_ORIGINAL_BLOCKS) for name in plain):
        return plain  # of the model as its authors wrote it; diffusers knows these by their root
    return {name.removeprefix(_PEFT_ROOT): tensor for name, tensor in plain.items()}


def to_model_names(tensors: Tensors) -> tuple[Tensors, Tensors]:
    """Name tensors as diffusers' transformer and transformers' CLIP name their modules.

    Returns:
        The transformer's and CLIP's, each as `module.lora_A.weight` and `module.lora_B.weight`,
        without the prefix of the part.

    Raises:
        Exception: of any type: diffusers' converters do not expect files of other models.
    """
    named: Tensors = FluxPipeline.lora_state_dict(dict(tensors), use_safetensors=True)
    clip = {
        name.removeprefix(CLIP): tensor for name, tensor in named.items() if name.startswith(CLIP)
    }
    # Some of diffusers' converters leave the prefix out where a layer stands outside the blocks.
    transformer = {
        name.removeprefix(TRANSFORMER): tensor
        for name, tensor in named.items()
        if not name.startswith(CLIP)
    }
    return (
        _state_dicts.convert_unet_state_dict_to_peft(transformer),
        _state_dicts.convert_state_dict(clip, _CLIP_NAMES),
    )
