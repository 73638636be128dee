"""Resolution of a profile by settings and hardware, and refusals with their reason."""

from typing import Any

import pytest
import torch

from inference_worker.profiles.hardware import Hardware, detect_hardware, fastest_attention
from inference_worker.profiles.plan import PROFILES, ExecutionPlan
from inference_worker.profiles.resolve import resolve_plan
from inference_worker.settings import InferenceSettings, OffloadKind, ProfileKind
from shared.flux.errors import ModelLoadError

_HOPPER = Hardware("cuda", (9, 0), has_torchao=True, has_compiler=True)
_AMPERE = Hardware("cuda", (8, 0), has_torchao=True, has_compiler=True)
_CPU = Hardware("cpu", has_torchao=True, has_compiler=True)
_BARE_CPU = Hardware("cpu")
_BARE_HOPPER = Hardware("cuda", (9, 0))
_MPS = Hardware("mps", has_compiler=True)


def _resolve(
    hardware: Hardware, dtype: torch.dtype = torch.bfloat16, **settings: Any
) -> ExecutionPlan:
    return resolve_plan(InferenceSettings.model_validate(settings), hardware, dtype)


def test_the_default_runs_everywhere() -> None:
    for hardware in (_HOPPER, _BARE_CPU, _MPS):
        assert _resolve(hardware, torch.float32) == PROFILES[ProfileKind.QUALITY]


def test_fast_on_a_new_card_takes_every_step() -> None:
    plan = _resolve(_HOPPER, profile="fast", cache_threshold=0.08)
    assert plan == ExecutionPlan(
        fuses_qkv=True,
        compiles=True,
        uses_fp8=True,
        attention="_native_cudnn",
        cache_threshold=0.08,
    )


def test_fast_without_fp8_runs_on_a_cpu() -> None:
    plan = _resolve(_CPU, torch.float32, profile="fast", fp8=False, offload="group")
    assert plan == ExecutionPlan(fuses_qkv=True, compiles=True, offload=OffloadKind.GROUP)


def test_steps_are_switched_one_by_one() -> None:
    assert not _resolve(_CPU, profile="balanced", fuse_qkv=False).fuses_qkv
    assert not _resolve(_BARE_CPU, profile="balanced", compile=False).compiles
    assert _resolve(_CPU, compile=True).has_lora_slots
    assert _resolve(_HOPPER, attention="fastest").attention == "_native_cudnn"
    assert _resolve(_HOPPER, profile="fast", attention="native").attention == "native"
    assert _resolve(_CPU, vae_tile_px=256).vae_tile_px == 256


@pytest.mark.parametrize(
    ("hardware", "dtype", "settings", "reason", "instead"),
    [
        (_CPU, torch.float32, {"profile": "fast"}, "this is a cpu", "SARTIQ_INFERENCE_FP8=false"),
        (_AMPERE, torch.bfloat16, {"profile": "fast"}, "capability 8.0", "PROFILE=balanced"),
        (
            Hardware("cuda", (8, 9), has_compiler=True),
            torch.bfloat16,
            {"fp8": True},
            "the package torchao",
            "SARTIQ_INFERENCE_FP8=false",
        ),
        (_HOPPER, torch.float16, {"fp8": True}, "requires bfloat16", "DTYPE=bfloat16"),
        (_BARE_CPU, torch.float32, {"profile": "balanced"}, "g++", "PROFILE=quality"),
        (_BARE_HOPPER, torch.bfloat16, {"compile": True}, "triton", "COMPILE=false"),
        (_MPS, torch.bfloat16, {"profile": "balanced"}, "cuda and cpu", "COMPILE=false"),
        (_AMPERE, torch.bfloat16, {"attention": "_flash_3"}, "9.0 to before 10.0", "native"),
        (_HOPPER, torch.bfloat16, {"attention": "_flash_3"}, "flash_attn_3", "fastest"),
        (_HOPPER, torch.float32, {"attention": "_native_cudnn"}, "bfloat16 or float16", "native"),
        (_HOPPER, torch.bfloat16, {"attention": "quick"}, "'quick' is none of", "_native_cudnn"),
    ],
)
def test_unsupported_profile_is_refused_with_a_remedy(
    hardware: Hardware, dtype: torch.dtype, settings: dict[str, Any], reason: str, instead: str
) -> None:
    with pytest.raises(ModelLoadError) as refusal:
        _resolve(hardware, dtype, **settings)
    assert reason in str(refusal.value)
    assert instead in str(refusal.value)


def test_the_fastest_attention_fits_card_and_packages() -> None:
    packages = frozenset({"flash_attn_3", "flash_attn"})
    cards = {
        (8, 0): "flash",
        (8, 9): "flash",
        (9, 0): "_flash_3",
        (10, 0): "_native_cudnn",
    }
    for capability, backend in cards.items():
        hardware = Hardware("cuda", capability, modules=packages)
        assert fastest_attention(hardware, torch.bfloat16) == backend
        assert fastest_attention(hardware, torch.float32) == "native"
    assert fastest_attention(_AMPERE, torch.bfloat16) == "native"
    assert fastest_attention(_CPU, torch.bfloat16) == "native"


def test_a_cpu_compiles_with_a_cpp_compiler_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "")
    assert detect_hardware(torch.device("cpu")).has_compiler is False
    monkeypatch.setenv("CXX", "/bin/sh")
    found = detect_hardware(torch.device("cpu"))
    assert (found.device_type, found.capability, found.has_compiler) == ("cpu", None, True)
