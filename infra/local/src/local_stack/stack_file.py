"""`stack.json`: which stack runs in a state folder, so that `down` and a second `up` find it."""

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
    """A process, told apart from a later one of the same pid by its time of birth."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    create_time: float

    @classmethod
    def of(cls, name: str, pid: int) -> "ProcessMark":
        """The mark of a living process."""
        return cls(name=name, pid=pid, create_time=psutil.Process(pid).create_time())

    @property
    def process(self) -> psutil.Process | None:
        """The process itself; none when it is gone."""
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
    """The record of one state folder, and the lock that lets one stack at a time have it."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "stack.json"
        self._lock_path = state_dir / "stack.lock"
        self._lock: TextIO | None = None

    def running(self) -> StackRecord | None:
        """The stack that runs now."""
        record = self._read()
        return record if record is not None and record.supervisor.process else None

    def claim(self) -> None:
        """Take the state folder for this process; children that a dead stack left are killed.

        Raises:
            AlreadyRunningError: another stack has it.
        """
        lock = self._lock_path.open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunningError(_running_already(self.running())) from None
        self._lock = lock  # the kernel frees it when we end, however we end
        self._forget()

    def write(self, endpoints: Endpoints, pids: Mapping[str, int], *, is_ready: bool) -> None:
        """Write down what this process runs."""
        record = StackRecord(
            supervisor=ProcessMark.of("supervisor", os.getpid()),
            endpoints=endpoints,
            is_ready=is_ready,
            children=list(_marks(pids)),
        )
        write_private(self._path, record.model_dump_json(indent=2))

    def clear_leftovers(self) -> None:
        """Kill what a stack left that did not come to stop it; none where one runs."""
        with contextlib.suppress(AlreadyRunningError):
            self.claim()
            self.release()

    def release(self) -> None:
        """Give the state folder free."""
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
        with contextlib.suppress(psutil.NoSuchProcess):  # died just now
            yield ProcessMark.of(name, pid)


def _running_already(record: StackRecord | None) -> str:
    if record is None:
        return "another stack is starting in this state folder"
    return (
        f"a stack is running already (pid {record.supervisor.pid}), its API at "
        f"{record.endpoints.gateway_url}; stop it with: python -m local_stack down"
    )


def terminate(mark: ProcessMark, timeout_s: float) -> bool:
    """Ask a process to stop; true when it did, false when it had to be killed."""
    process = mark.process
    if process is None:
        return True
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
    has_stopped = wait_all([process], timeout_s)
    kill_all([process])
    return has_stopped
