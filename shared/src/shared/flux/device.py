"""Device, number format and memory of a model, chosen from the hardware."""

import os

import torch

from shared.flux.kinds import DeviceKind, DtypeKind

_SHARE_OF_CARD = 0.85
"""Share of a card for weights; the rest is for activations."""
_SHARE_OF_MACHINE = 0.5
_DTYPES = {
    DtypeKind.BFLOAT16: torch.bfloat16,
    DtypeKind.FLOAT16: torch.float16,
    DtypeKind.FLOAT32: torch.float32,
}


def choose_device(kind: DeviceKind) -> torch.device:
    """Return the requested device; for `auto` the fastest one of this machine."""
    if kind is not DeviceKind.AUTO:
        return torch.device(kind.value)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_dtype(kind: DtypeKind, device: torch.device) -> torch.dtype:
    """Return the requested format; for `auto` float32 on a CPU, else bfloat16."""
    if kind is not DtypeKind.AUTO:
        return _DTYPES[kind]
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def memory_budget_bytes(device: torch.device) -> int:
    """Return the default memory of models: most of the card, or half of the machine."""
    if device.type == "cuda":
        _, total_bytes = torch.cuda.mem_get_info(device)
        return int(total_bytes * _SHARE_OF_CARD)
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _SHARE_OF_MACHINE)


def reserved_vram_bytes() -> int | None:
    """Return the GPU memory that this process has reserved; None without a GPU."""
    if not torch.cuda.is_available():
        return None
    return sum(torch.cuda.memory_reserved(place) for place in range(torch.cuda.device_count()))
