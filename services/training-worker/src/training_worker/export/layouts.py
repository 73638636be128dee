"""Layouts of LoRA files: the names and shapes under which tools look for the matrices.

`DIFFUSERS` is the product. A layout for kohya's scripts is another value of `Layout`: it joins
queries, keys, values (and the MLP of single blocks) exactly, as block-diagonal matrices, and names
them `lora_unet_double_blocks_0_img_attn_qkv` and so on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

Weights = Mapping[str, Tensor]
"""Trained tensors, `<target>.lora_A.weight` [R, in] and `<target>.lora_B.weight` [out, R]."""


@dataclass(frozen=True)
class Layout:
    """A layout.

    Attributes:
        name: for messages.
        implementation: of the model, as `modelspec.implementation` names it.
        tensors: returns the tensors of a file; scales are multiplied into `lora_B` already.
    """

    name: str
    implementation: str
    tensors: Callable[[Weights], dict[str, Tensor]]


def _diffusers_tensors(weights: Weights) -> dict[str, Tensor]:
    return {f"transformer.{name}": tensor for name, tensor in weights.items()}


DIFFUSERS = Layout("diffusers", "diffusers", _diffusers_tensors)
"""`transformer.<module>.lora_A.weight`: read by diffusers, ComfyUI and our inference worker."""
