"""Run of a command in the foreground, until it ends or Ctrl-C or SIGTERM stops it."""

import asyncio
import signal
from collections.abc import Coroutine

from rich.console import Console

from local_stack.errors import StackError


def run_in_foreground(command: Coroutine[object, object, None]) -> int:
    """Run a command to its end, and return the exit code: 0, or 1 after an error, which is shown.

    The first signal cancels the command, which then cleans up. Later signals are ignored, so that a
    second Ctrl-C leaves no process behind.
    """
    return asyncio.run(_run(command))


async def _run(command: Coroutine[object, object, None]) -> int:
    task = asyncio.ensure_future(command)
    is_asked_to_stop = False

    def stop() -> None:
        nonlocal is_asked_to_stop
        if not is_asked_to_stop:
            is_asked_to_stop = True
            task.cancel()

    loop = asyncio.get_running_loop()
    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(which, stop)
    try:
        await task
    except StackError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(str(error), markup=False)
        return 1
    except asyncio.CancelledError:
        if not is_asked_to_stop:
            raise
    return 0
