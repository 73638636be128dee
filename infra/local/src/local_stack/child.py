"""One child process, with its own session and its output in a log file."""

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
    """Description of a child process: start, readiness check and stop."""

    name: str
    command: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Added to the supervisor's own environment."""
    clean_up: Callable[[], None] = lambda: None
    """Removes leftovers of a run; called before each start and after each end."""
    is_ready: Callable[[], Awaitable[bool]] | None = None
    """Polled until it returns true; none: ready once started."""
    user: str | None = None
    """System user to run as; none: the supervisor's user."""
    sockets: tuple[Path, ...] = ()
    """Socket files that the process creates; it is restarted if one of them disappears."""
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """Signal that the child receives if the supervisor dies."""


class Child:
    """A started child process."""

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
        """Start the process; its output is appended to `<log_dir>/<name>.log`."""
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
        """Exit code; none while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for the process to end, and return its exit code."""
        return await self._process.wait()

    async def end(self, which: signal.Signals | None = None, grace_s: float | None = None) -> None:
        """Signal the process, and wait until it and its descendants have ended.

        Args:
            which: the signal; none: the stop signal of the spec.
            grace_s: seconds until it is killed; none: no limit.
        """
        self.is_end_expected = True
        offspring = descendants(self.pid) if self.returncode is None else []
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(which or self.spec.stop_signal)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wait(), grace_s)
        self.kill_group()
        await self.wait()
        await asyncio.to_thread(kill_all, offspring)  # Postgres's have sessions of their own
        self.spec.clean_up()

    def kill_group(self) -> None:
        """Kill the process and its descendants in the same process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def existing_sockets(self) -> set[Path]:
        """Return those of its sockets that exist."""
        return {socket for socket in self.spec.sockets if socket.exists()}

    def log_tail(self, num_lines: int = 20) -> str:
        """Return the last log lines of this process."""
        with self._log_path.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-num_lines:]) or "  (empty)"


def _appending(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")
