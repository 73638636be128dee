"""FLUX.1: text to image ([dev], [schnell], Krea), and Kontext, which edits by instruction.

Both have one architecture; Kontext was trained with pictures in its context.
"""

from collections.abc import Callable
from typing import Any

from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from transformers import CLIPTextModel, T5EncoderModel

from shared.flux.families.family import Family
from shared.flux.lora.reading import LoraParts, Pairs
from shared.flux.pipeline.model import FluxModel

_PARTS: dict[str, Any] = {
    "text_encoder": CLIPTextModel,
    "text_encoder_2": T5EncoderModel,
    "transformer": FluxTransformer2DModel,
    "vae": AutoencoderKL,
}
_LORA_PARTS: dict[str, Callable[[LoraParts], Pairs]] = {
    "transformer": lambda parts: parts.transformer,
    "text_encoder": lambda parts: parts.clip,
    "text_encoder_2": lambda parts: parts.t5,
}
_SAMPLER = "FlowMatchEulerDiscreteScheduler"

FLUX = Family(
    name="flux.1",
    pipeline_class="FluxPipeline",
    part_classes=_PARTS,
    backbone="transformer",
    lora_parts=_LORA_PARTS,
    sampler=_SAMPLER,
    max_references=None,
    has_true_cfg=True,
    open=FluxModel.open,
)

FLUX_KONTEXT = Family(
    name="flux.1-kontext",
    pipeline_class="FluxKontextPipeline",
    part_classes=_PARTS,
    backbone="transformer",
    lora_parts=_LORA_PARTS,
    sampler=_SAMPLER,
    max_references=3,
    has_true_cfg=True,
    open=FluxModel.open,
)
