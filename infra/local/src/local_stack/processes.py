"""Processes that are not our children, or not ours alone: told alive from dead, killed, awaited."""

import contextlib
import time
from collections.abc import Iterable

import psutil

_POLL_S = 0.02


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs. One that nobody has reaped yet is dead."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def descendants(pid: int) -> list[psutil.Process]:
    """The children of a process, and theirs."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_all(processes: Iterable[psutil.Process], timeout_s: float = 2) -> None:
    """Kill processes and wait until they are dead."""
    doomed = [process for process in processes if is_alive(process)]
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_all(doomed, timeout_s)


def wait_all(processes: Iterable[psutil.Process], timeout_s: float) -> bool:
    """Wait for the end of processes; false when some live on."""
    deadline = time.monotonic() + timeout_s
    alive = list(processes)
    while alive := [process for process in alive if is_alive(process)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
