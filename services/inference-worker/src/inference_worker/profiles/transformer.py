"""Optimisations of a transformer, one function each, in the order that they need.

For diffusers' transformers with `_repeated_blocks`, FLUX's among them.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, cast

import torch
from diffusers.hooks import first_block_cache
from torch import nn

from inference_worker.profiles.plan import NATIVE, ExecutionPlan

_UNFUSED = ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj")
_FP8_MULTIPLE = 16
"""The divisor that float8 products need of a matrix's sides."""


def prepare_transformer(
    transformer: Any,
    plan: ExecutionPlan,
    *,
    add_lora_slots: Callable[[Any], object] = lambda _: None,
) -> None:
    """Apply all optimisations of a plan but offloading, in place.

    Args:
        transformer: with its weights, in evaluation mode.
        plan: the optimisations.
        add_lora_slots: allocates slots for LoRAs; called where the plan has slots, after
            projections are fused and before blocks are compiled.
    """
    set_attention(transformer, plan.attention)
    if plan.fuses_qkv:
        fuse_qkv(transformer)
    if plan.uses_fp8:
        use_fp8(transformer)
    if plan.has_lora_slots:
        add_lora_slots(transformer)
    if plan.compiles:
        compile_blocks(transformer, plan.compile_backend)
    set_cache_threshold(transformer, plan.cache_threshold)


def set_attention(transformer: Any, backend: str) -> None:
    """Select the attention backend, by diffusers' name."""
    if backend != NATIVE:
        transformer.set_attention_backend(backend)


def fuse_qkv(transformer: Any) -> None:
    """Compute queries, keys and values in one product, and delete the separate projections."""
    transformer.fuse_qkv_projections()
    for module in transformer.modules():
        if getattr(module, "fused_projections", False):
            for name in _UNFUSED:
                if hasattr(module, name):
                    delattr(module, name)


def use_fp8(transformer: Any) -> None:
    """Compute linear layers of the blocks in float8, weights and inputs scaled by row.

    Modulations keep their precision: they compute one token, which all others depend on.
    """
    quantization: Any = import_module("torchao.quantization")
    config = quantization.Float8DynamicActivationFloat8WeightConfig(
        granularity=quantization.PerRow()
    )

    def is_chosen(module: nn.Module, name: str) -> bool:
        return (
            isinstance(module, nn.Linear)
            and "norm" not in name
            and module.in_features % _FP8_MULTIPLE == 0
            and module.out_features % _FP8_MULTIPLE == 0
        )

    for block in repeated_blocks(transformer):
        quantization.quantize_(block, config, is_chosen)


def compile_blocks(transformer: Any, backend: str = "inductor") -> None:
    """Compile the repeated blocks, once for each class of block.

    Like diffusers' `compile_repeated_blocks(fullgraph=True)`, but compiles `forward` instead of the
    call: hooks of the cache and of offloading, which cannot be compiled, run around it.
    """
    for block in repeated_blocks(transformer):
        block.forward = cast(Any, torch).compile(block.forward, fullgraph=True, backend=backend)


def set_cache_threshold(transformer: Any, threshold: float) -> None:
    """Switch the first-block cache on, or off with 0; it may already be on.

    Source: ParaAttention's first-block cache, as diffusers has it.
    """
    if transformer.is_cache_enabled:
        transformer.disable_cache()
    if threshold:
        transformer.enable_cache(first_block_cache.FirstBlockCacheConfig(threshold=threshold))


def repeated_blocks(transformer: Any) -> Iterator[Any]:
    """Iterate over the repeated blocks, which hold most of a transformer's weights."""
    kinds = transformer._repeated_blocks  # noqa: SLF001 -- the only place where diffusers says it
    for module in transformer.modules():
        if type(module).__name__ in kinds:
            yield module
