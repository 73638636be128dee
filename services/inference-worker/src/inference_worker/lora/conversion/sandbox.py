"""The converter's process: without environment and input, in its own session, with a time limit."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from inference_worker.lora.conversion.convert import REFUSED
from shared.contracts.enums import ErrorCategory
from shared.errors import InvalidInputError, PlatformError

WALL_SECONDS = 90.0
"""Over the limit of CPU time: a run that exceeds this waits for a disk, not for the file."""
_MAX_MESSAGE_CHARS = 500
_LIMIT_SIGNALS = frozenset(
    {
        signal.SIGXCPU,
        signal.SIGXFSZ,
        signal.SIGKILL,
        signal.SIGABRT,
        signal.SIGSEGV,
        signal.SIGBUS,
    }
)
"""Signals by which the kernel or libc ends a process that exceeds a limit or crashes."""


async def run_converter(
    source: Path, target: Path, *, max_bytes: int, wall_s: float = WALL_SECONDS
) -> None:
    """Convert a file in another process.

    Raises:
        InvalidInputError: the file was refused, or made the converter exceed a limit.
        PlatformError: the converter failed, or exceeded the time limit.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "inference_worker.lora.conversion.convert",
        str(source),
        str(target),
        str(max_bytes),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd=source.parent,
        env=_environment(source.parent),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(wall_s):
            output, _ = await process.communicate()
    except TimeoutError as error:
        message = f"the conversion took longer than {wall_s:.0f} s"
        raise PlatformError(message, category=ErrorCategory.TIMEOUT) from error
    finally:
        await _end(process)
    _check_status(process.returncode or 0, output)


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment without credentials, with one thread: several conversions may run."""
    return {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


async def _end(process: Process) -> None:
    """End every process of the session, also those that a hostile file started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _check_status(status: int, output: bytes) -> None:
    if status == 0:
        return
    if status == REFUSED:
        text = output.decode(errors="replace")[:_MAX_MESSAGE_CHARS]
        raise InvalidInputError("".join(char for char in text if char.isprintable()))
    if -status in _LIMIT_SIGNALS:
        raise InvalidInputError("exceeds the converter's limits of time, size or memory")
    raise PlatformError(f"the converter ended with status {status}")
