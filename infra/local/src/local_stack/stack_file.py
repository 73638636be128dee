"""`stack.json`: the running stack of a state folder, for `down` and for a second `up`."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from local_stack.errors import AlreadyRunningError
from local_stack.processes import is_alive, kill_all, wait_all
from local_stack.stack_plan import Endpoints
from local_stack.state import write_private

_CLOCK_TOLERANCE_S = 2


class ProcessMark(BaseModel):
    """A process, identified by pid and creation time, since pids are reused."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    create_time: float

    @classmethod
    def of(cls, name: str, pid: int) -> "ProcessMark":
        """Return the mark of a running process."""
        return cls(name=name, pid=pid, create_time=psutil.Process(pid).create_time())

    @property
    def process(self) -> psutil.Process | None:
        """The process itself; none if it has ended."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.create_time) < _CLOCK_TOLERANCE_S
        except psutil.NoSuchProcess:
            return None
        return process if is_same and is_alive(process) else None


class StackRecord(BaseModel):
    """A stack, its supervisor and its children."""

    model_config = ConfigDict(frozen=True)

    supervisor: ProcessMark
    endpoints: Endpoints
    is_ready: bool = False
    children: list[ProcessMark] = []


class StackFile:
    """The stack file of one state folder, and the lock that admits one stack at a time."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "stack.json"
        self._lock_path = state_dir / "stack.lock"
        self._lock: TextIO | None = None

    def running(self) -> StackRecord | None:
        """Return the record of the running stack; none if there is none."""
        record = self._read()
        return record if record is not None and record.supervisor.process else None

    def claim(self) -> None:
        """Lock the state folder for this process, and kill children that a dead stack left behind.

        Raises:
            AlreadyRunningError: another stack has locked it.
        """
        lock = self._lock_path.open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunningError(_running_already(self.running())) from None
        self._lock = lock  # the kernel releases it when this process ends
        self._forget()

    def write(self, endpoints: Endpoints, pids: Mapping[str, int], *, is_ready: bool) -> None:
        """Store the record of this process's stack."""
        record = StackRecord(
            supervisor=ProcessMark.of("supervisor", os.getpid()),
            endpoints=endpoints,
            is_ready=is_ready,
            children=list(_marks(pids)),
        )
        write_private(self._path, record.model_dump_json(indent=2))

    def clear_leftovers(self) -> None:
        """Kill processes that a dead stack left behind; do nothing while a stack runs."""
        with contextlib.suppress(AlreadyRunningError):
            self.claim()
            self.release()

    def release(self) -> None:
        """Unlock the state folder."""
        if self._lock is not None:
            self._forget()
            self._lock.close()
            self._lock = None

    def _read(self) -> StackRecord | None:
        try:
            return StackRecord.model_validate_json(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValidationError):
            return None

    def _forget(self) -> None:
        record = self._read()
        kill_all(filter(None, (mark.process for mark in (record.children if record else ()))))
        self._path.unlink(missing_ok=True)


def _marks(pids: Mapping[str, int]) -> Iterator[ProcessMark]:
    for name, pid in pids.items():
        with contextlib.suppress(psutil.NoSuchProcess):  # ended just now
            yield ProcessMark.of(name, pid)


def _running_already(record: StackRecord | None) -> str:
    if record is None:
        return "another stack is starting in this state folder"
    return (
        f"a stack is already running (pid {record.supervisor.pid}), its API at "
        f"{record.endpoints.gateway_url}; stop it with: python -m local_stack down"
    )


def terminate(mark: ProcessMark, timeout_s: float) -> bool:
    """Terminate a process; return false if it did not stop in time and had to be killed."""
    process = mark.process
    if process is None:
        return True
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
    has_stopped = wait_all([process], timeout_s)
    kill_all([process])
    return has_stopped
