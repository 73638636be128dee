"""Termination of child processes if the supervisor is killed (Linux only)."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def dying_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a function for the child to run between fork and exec; it requests `death_signal`.

    The kernel sends the signal when the forking thread ends, so children are started from the main
    thread. Returns none on other systems; there, `down` finds leftovers in the stack file.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # before the fork, because no lock may be taken after it
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # the parent died before the request
            os._exit(1)

    return ask_kernel
