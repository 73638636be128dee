"""The plan of a worker, from settings and hardware; refuses what this machine cannot run."""

from dataclasses import replace

import torch

from inference_worker.profiles.hardware import (
    ATTENTIONS,
    FP8_SINCE,
    Hardware,
    fastest_attention,
)
from inference_worker.profiles.plan import FASTEST, NATIVE, PROFILES, ExecutionPlan
from inference_worker.settings import InferenceSettings
from shared.flux.errors import ModelLoadError

_NO_COMPILE = "SARTIQ_INFERENCE_PROFILE=quality or SARTIQ_INFERENCE_COMPILE=false"
_NO_FP8 = "SARTIQ_INFERENCE_PROFILE=balanced or SARTIQ_INFERENCE_FP8=false"


def resolve_plan(
    settings: InferenceSettings, hardware: Hardware, dtype: torch.dtype
) -> ExecutionPlan:
    """Return the profile's plan with the changes of the settings.

    Raises:
        ModelLoadError: this machine cannot run it; gives the cause and the settings to change.
    """
    plan = PROFILES[settings.profile]
    plan = replace(
        plan,
        compiles=_either(settings.compile, plan.compiles),
        fuses_qkv=_either(settings.fuse_qkv, plan.fuses_qkv),
        uses_fp8=_either(settings.fp8, plan.uses_fp8),
        attention=settings.attention or plan.attention,
        cache_threshold=settings.cache_threshold,
        vae_tile_px=settings.vae_tile_px,
        offload=settings.offload,
    )
    if plan.attention == FASTEST:
        plan = replace(plan, attention=fastest_attention(hardware, dtype))
    for fault in (_compile_fault(plan, hardware), _fp8_fault(plan, hardware, dtype)):
        if fault:
            raise ModelLoadError(f"the profile {settings.profile} cannot run here: {fault}")
    fault = _attention_fault(plan, hardware, dtype)
    if fault:
        raise ModelLoadError(f"SARTIQ_INFERENCE_ATTENTION: {fault}")
    return plan


def _either(chosen: bool | None, otherwise: bool) -> bool:  # noqa: FBT001 -- values, not options
    return otherwise if chosen is None else chosen


def _compile_fault(plan: ExecutionPlan, hardware: Hardware) -> str:
    if not plan.compiles:
        return ""
    if hardware.device_type not in {"cuda", "cpu"}:
        return f"it compiles, which is for cuda and cpu; this is {hardware.name}: set {_NO_COMPILE}"
    if hardware.has_compiler:
        return ""
    missing = "a C++ compiler (g++)" if hardware.device_type == "cpu" else "triton"
    return f"it compiles, which needs {missing}: install it, or set {_NO_COMPILE}"


def _fp8_fault(plan: ExecutionPlan, hardware: Hardware, dtype: torch.dtype) -> str:
    if not plan.uses_fp8:
        return ""
    if hardware.capability is None or hardware.capability < FP8_SINCE:
        return (
            "fp8 needs an NVIDIA card of compute capability 8.9 or newer (L4, RTX 40, H100); this"
            f" is {hardware.name}: set {_NO_FP8}"
        )
    if not hardware.has_torchao:
        return f"fp8 needs the package torchao: install it, or set {_NO_FP8}"
    if dtype is not torch.bfloat16:
        return f"fp8 requires bfloat16: set SARTIQ_INFERENCE_DTYPE=bfloat16, or {_NO_FP8}"
    return ""


def _attention_fault(plan: ExecutionPlan, hardware: Hardware, dtype: torch.dtype) -> str:
    if plan.attention == NATIVE:
        return ""
    known = {attention.backend: attention for attention in ATTENTIONS}
    attention = known.get(plan.attention)
    if attention is None:
        return f"{plan.attention!r} is none of {', '.join((FASTEST, NATIVE, *known))}"
    if dtype not in {torch.bfloat16, torch.float16}:
        return f"{attention.backend} takes bfloat16 or float16, not {dtype}; {NATIVE} takes all"
    if not hardware.can_attend(attention):
        needed = f" and the package {attention.module}" if attention.module else ""
        since = ".".join(map(str, attention.since))
        until = f" to before {'.'.join(map(str, attention.before))}" if attention.before else ""
        return (
            f"{attention.backend} needs an NVIDIA card of compute capability {since}{until}"
            f"{needed}; this is {hardware.name}: set {FASTEST} or {NATIVE}"
        )
    return ""
