"""Children that do not outlive the supervisor, even one that is killed without warning (Linux)."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def dying_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child runs between fork and exec so that it gets `death_signal` if we die.

    The kernel means the thread that forks, so children are started from the main thread. None
    where the system has no such thing: there `down` finds leftovers in the stack file.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded before the fork: after it, nothing may take a lock
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # died before we asked
            os._exit(1)

    return ask_kernel
