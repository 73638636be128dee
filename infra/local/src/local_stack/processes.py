"""Helpers for processes that are not direct children: liveness, kill, wait."""

import contextlib
import time
from collections.abc import Iterable

import psutil

_POLL_S = 0.02


def is_alive(process: psutil.Process) -> bool:
    """Return true if a process runs; a zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def descendants(pid: int) -> list[psutil.Process]:
    """Return all descendants of a process."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_all(processes: Iterable[psutil.Process], timeout_s: float = 2) -> None:
    """Kill processes and wait until they have ended."""
    alive = [process for process in processes if is_alive(process)]
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_all(alive, timeout_s)


def wait_all(processes: Iterable[psutil.Process], timeout_s: float) -> bool:
    """Wait for processes to end; return false if some still run after the timeout."""
    deadline = time.monotonic() + timeout_s
    alive = list(processes)
    while alive := [process for process in alive if is_alive(process)]:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
