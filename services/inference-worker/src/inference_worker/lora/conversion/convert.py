"""The converter of one pickle to safetensors, run as a process of its own with limits.

`python -m inference_worker.lora.conversion.convert IN OUT MAX_BYTES`; for a refused file it prints
the cause and exits with 3.
"""

import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from inference_worker.lora.conversion.pickle_checks import RefusedError, check_container

if TYPE_CHECKING:
    import torch

REFUSED = 3
"""Exit status for a refused file; any other but 0 is a limit or a bug."""

CPU_SECONDS = 60
_ADDRESS_SPACE = 6 * 1024**3
"""torch maps some 2 GiB; file, tensors and copies of the largest upload need less than 2 more."""
_HEADER_BYTES = 16 * 1024 * 1024
_DTYPES = frozenset(
    {
        "bool", "uint8", "int8", "int16", "int32", "int64",
        "float16", "bfloat16", "float32", "float64",
    }
)  # fmt: skip
_MAX_TENSORS = 32_768


def set_limits(max_bytes: int) -> None:
    """Limit the memory, CPU time, files and processes of this process."""
    for kind, limit in (
        (resource.RLIMIT_AS, _ADDRESS_SPACE),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, max_bytes + _HEADER_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        _, most = resource.getrlimit(kind)
        least = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(kind, (least, least))


def convert(source: Path, target: Path, *, max_bytes: int) -> None:
    """Write the tensors of a pickle as safetensors, bit by bit.

    Raises:
        RefusedError: the file contains anything other than named tensors.
    """
    is_zip = check_container(source)
    tensors = _read_tensors(source, is_zip=is_zip)
    _check_tensors(tensors, max_bytes)
    from safetensors.torch import save_file  # noqa: PLC0415 # pyright: ignore[reportUnknownVariableType] -- imports torch; PathLike of anything

    # Tensors may share memory or be views of a larger one: each is written separately.
    save_file(
        {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, target
    )


def _read_tensors(source: Path, *, is_zip: bool) -> "dict[str, torch.Tensor]":
    import torch  # noqa: PLC0415 — after the limits

    # No thread or process is needed from here on; the kernel does not enforce this for root.
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    try:
        loaded: object = torch.load(source, map_location="cpu", weights_only=True, mmap=is_zip)
    except MemoryError:
        raise
    except Exception as error:
        raise RefusedError(f"cannot be read as tensors alone: {_short(error)}") from error
    if isinstance(loaded, dict) and set(cast("dict[object, object]", loaded)) == {"state_dict"}:
        loaded = cast("dict[str, object]", loaded)["state_dict"]
    if not isinstance(loaded, dict) or not loaded:
        raise RefusedError("holds no dictionary of tensors by name")
    for name, value in cast("dict[object, object]", loaded).items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise RefusedError(
                f"holds {type(value).__name__} under {str(name)[:80]!a}; "
                "it must contain only named tensors"
            )
    return cast("dict[str, torch.Tensor]", loaded)


def _check_tensors(tensors: "dict[str, torch.Tensor]", max_bytes: int) -> None:
    import torch  # noqa: PLC0415 — after the limits

    if len(tensors) > _MAX_TENSORS:
        raise RefusedError(f"holds more than {_MAX_TENSORS} tensors")
    for name, tensor in tensors.items():
        dtype = str(tensor.dtype).removeprefix("torch.")
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or dtype not in _DTYPES:
            raise RefusedError(f"holds under {name[:80]!a} no dense tensor of plain numbers")
    # By shape: a view of four bytes can have a shape of terabytes.
    size_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if size_bytes > max_bytes:
        raise RefusedError(f"holds tensors of {size_bytes} bytes; at most {max_bytes} may be")


def _short(error: Exception) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 200 else f"{words[:199]}…"


def main() -> int:
    """Convert the file that the arguments name."""
    source, target, max_bytes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    set_limits(max_bytes)
    try:
        convert(source, target, max_bytes=max_bytes)
    except RefusedError as error:
        sys.stdout.write(str(error))
        return REFUSED
    except MemoryError:
        sys.stdout.write("needs more memory than a LoRA may")
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
