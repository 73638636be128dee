"""One child process: its own session, its output in a log file, its end noticed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from local_stack.parent_death import dying_with_parent
from local_stack.processes import descendants, kill_all

_TAIL_BYTES = 16_384


@dataclass(frozen=True)
class ChildSpec:
    """How to start a child, how to know that it is ready, how to end it."""

    name: str
    command: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Added to our own."""
    clean_up: Callable[[], None] = lambda: None
    """Clears what a run leaves behind; called before each start and after the last end."""
    is_ready: Callable[[], Awaitable[bool]] | None = None
    """Asked until it says so; none: ready once started."""
    user: str | None = None
    """System user to run as; none: ours."""
    sockets: tuple[Path, ...] = ()
    """Files that it makes and cannot do without: it is started again once one of them vanishes."""
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What the child gets if the supervisor dies."""


class Child:
    """A child that was started."""

    def __init__(
        self, spec: ChildSpec, process: asyncio.subprocess.Process, log_path: Path, log_start: int
    ) -> None:
        self.spec = spec
        self.is_end_expected = False
        self._process = process
        self._log_path = log_path
        self._log_start = log_start

    @classmethod
    async def start(cls, spec: ChildSpec, log_dir: Path) -> "Child":
        """Start the process; its output is added to `<log_dir>/<name>.log`."""
        spec.clean_up()
        log_path = log_dir / f"{spec.name}.log"
        with _appending(log_path) as log:
            log_start = log.tell()
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                cwd=spec.cwd,
                env={**os.environ, **spec.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dying_with_parent(spec.death_signal),
                user=spec.user,
                group=spec.user,
                extra_groups=[] if spec.user else None,
            )
        return cls(spec, process, log_path, log_start)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end."""
        return await self._process.wait()

    async def end(self, which: signal.Signals | None = None, grace_s: float | None = None) -> None:
        """Signal the process, whose end is from now on expected, and wait until all of it is gone.

        Args:
            which: the signal; none: the one that the spec names.
            grace_s: how long it may take before it is killed; none: as long as it likes.
        """
        self.is_end_expected = True
        family = descendants(self.pid) if self.returncode is None else []
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(which or self.spec.stop_signal)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), grace_s)
        self.kill_group()
        await self.wait()
        await asyncio.to_thread(kill_all, family)  # those with a session of their own: Postgres's
        self.spec.clean_up()

    def kill_group(self) -> None:
        """Kill the process and whatever it started, as far as that stayed in its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def sockets_there(self) -> set[Path]:
        """Those of its sockets that exist."""
        return {socket for socket in self.spec.sockets if socket.exists()}

    def log_tail(self, num_lines: int = 20) -> str:
        """The last lines that this process wrote."""
        with self._log_path.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-num_lines:]) or "  (empty)"


def _appending(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")
