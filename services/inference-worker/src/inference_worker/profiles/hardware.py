"""What the machine has, as far as plans depend on it."""

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec

import torch

from inference_worker.profiles.plan import NATIVE

FP8_SINCE = (8, 9)
"""The first compute capability with float8 products: Ada (L4, RTX 40)."""

_COMPILERS = ("g++", "clang++", "c++")


@dataclass(frozen=True)
class Attention:
    """An attention backend that is not torch's choice.

    Attributes:
        backend: diffusers' name.
        module: must be importable; none: part of torch.
        since: first compute capability that it runs on.
        before: first one that it does not run on any more; none: all later ones.
    """

    backend: str
    module: str | None
    since: tuple[int, int]
    before: tuple[int, int] | None = None


ATTENTIONS = (
    Attention("_flash_3", "flash_attn_3", since=(9, 0), before=(10, 0)),
    Attention("_native_cudnn", None, since=(9, 0)),
    Attention("flash", "flash_attn", since=(8, 0)),
)
"""By speed, the fastest first. Kernels that change pixels by more than rounding are not here."""


@dataclass(frozen=True)
class Hardware:
    """One machine, as seen from Python.

    Attributes:
        device_type: `cuda`, `mps` or `cpu`.
        capability: compute capability of an NVIDIA card; none: there is none.
        has_torchao: the library of float8 layers.
        has_compiler: what torch.compile needs here: triton for a card, a C++ compiler for a CPU.
        modules: of those that attention backends need, the importable ones.
    """

    device_type: str
    capability: tuple[int, int] | None = None
    has_torchao: bool = False
    has_compiler: bool = False
    modules: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """In messages."""
        if self.capability is None:
            return f"a {self.device_type}"
        major, minor = self.capability
        return f"a card of compute capability {major}.{minor}"

    def can_attend(self, attention: Attention) -> bool:
        """Whether a backend runs here."""
        if self.capability is None or self.capability < attention.since:
            return False
        if attention.before is not None and self.capability >= attention.before:
            return False
        return attention.module is None or attention.module in self.modules


def detect_hardware(device: torch.device) -> Hardware:
    """The machine that this process is on; ROCm cards have no compute capability here."""
    is_cuda = device.type == "cuda" and torch.version.cuda is not None
    wanted = {attention.module for attention in ATTENTIONS if attention.module is not None}
    return Hardware(
        device_type=device.type,
        capability=torch.cuda.get_device_capability(device) if is_cuda else None,
        has_torchao=find_spec("torchao") is not None,
        has_compiler=find_spec("triton") is not None if is_cuda else _has_cpp_compiler(),
        modules=frozenset(module for module in wanted if find_spec(module) is not None),
    )


def fastest_attention(hardware: Hardware, dtype: torch.dtype) -> str:
    """The backend that is fastest here; they take half precision alone."""
    if dtype not in {torch.bfloat16, torch.float16}:
        return NATIVE
    fitting = (attention.backend for attention in ATTENTIONS if hardware.can_attend(attention))
    return next(fitting, NATIVE)


def _has_cpp_compiler() -> bool:
    return any(shutil.which(name) for name in (os.environ.get("CXX", ""), *_COMPILERS) if name)
