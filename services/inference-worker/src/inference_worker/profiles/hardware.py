"""The hardware and software that plans depend on."""

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
    """An attention backend beside torch's own.

    Attributes:
        backend: diffusers' name.
        module: the package that it needs; None: part of torch.
        since: first compute capability that it supports.
        before: first later one that it does not support; None: it supports all.
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
"""The backends, the fastest first, without kernels that change pixels by more than rounding."""


@dataclass(frozen=True)
class Hardware:
    """The properties of one machine.

    Attributes:
        device_type: `cuda`, `mps` or `cpu`.
        capability: compute capability of an NVIDIA card; None: there is none.
        has_torchao: the library of float8 layers is installed.
        has_compiler: triton for a card, or a C++ compiler for a CPU, which torch.compile needs.
        modules: the installed packages of attention backends.
    """

    device_type: str
    capability: tuple[int, int] | None = None
    has_torchao: bool = False
    has_compiler: bool = False
    modules: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The machine, for messages."""
        if self.capability is None:
            return f"a {self.device_type}"
        major, minor = self.capability
        return f"a card of compute capability {major}.{minor}"

    def can_attend(self, attention: Attention) -> bool:
        """Return True where a backend runs on this machine."""
        if self.capability is None or self.capability < attention.since:
            return False
        if attention.before is not None and self.capability >= attention.before:
            return False
        return attention.module is None or attention.module in self.modules


def detect_hardware(device: torch.device) -> Hardware:
    """Return the properties of this machine; ROCm cards get no compute capability."""
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
    """Return the fastest backend of a machine; all but torch's own need half precision."""
    if dtype not in {torch.bfloat16, torch.float16}:
        return NATIVE
    fitting = (attention.backend for attention in ATTENTIONS if hardware.can_attend(attention))
    return next(fitting, NATIVE)


def _has_cpp_compiler() -> bool:
    return any(shutil.which(name) for name in (os.environ.get("CXX", ""), *_COMPILERS) if name)
