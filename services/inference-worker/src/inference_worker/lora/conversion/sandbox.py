"""Starts the converter and stops it: no environment, no input, a session and a clock of its own."""

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
"""More than its CPU time: what runs into this waits for a disk, and is not the file's fault."""
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
"""How the kernel or libc ends a process that a file drove too far."""


async def run_converter(
    source: Path, target: Path, *, max_bytes: int, wall_s: float = WALL_SECONDS
) -> None:
    """Convert a file in another process.

    Raises:
        InvalidInputError: the file is at fault: refused, or it drove the converter into a limit.
        PlatformError: the converter did not work, or not in time.
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
            said, _ = await process.communicate()
    except TimeoutError as error:
        message = f"the conversion took longer than {wall_s:.0f} s"
        raise PlatformError(message, category=ErrorCategory.TIMEOUT) from error
    finally:
        await _end(process)
    _judge(process.returncode or 0, said)


def _environment(folder: Path) -> dict[str, str]:
    """No credentials, and one thread: several conversions may run."""
    return {
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


async def _end(process: Process) -> None:
    """Nothing of its session outlives it, not even what a trick may have started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _judge(status: int, said: bytes) -> None:
    if status == 0:
        return
    if status == REFUSED:
        text = said.decode(errors="replace")[:_MAX_MESSAGE_CHARS]
        raise InvalidInputError("".join(char for char in text if char.isprintable()))
    if -status in _LIMIT_SIGNALS:
        raise InvalidInputError("drives the converter into its limits of time, size or memory")
    raise PlatformError(f"the converter ended with status {status}")
