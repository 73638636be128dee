import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_stack.errors import AlreadyRunningError
from local_stack.stack_file import ProcessMark, StackFile, StackRecord, terminate
from local_stack.stack_plan import Endpoints

ENDPOINTS = Endpoints(
    gateway_url="http://127.0.0.1:1",
    gateway_internal_url="http://127.0.0.1:2",
    temporal_address="127.0.0.1:3",
    temporal_ui_url="http://127.0.0.1:4",
    postgres_url="postgresql://sartiq@127.0.0.1:5/sartiq",
    s3_endpoint="127.0.0.1:6",
    namespace="default",
)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def write_stale(state_dir: Path, *, create_time: float, children: list[ProcessMark]) -> None:
    supervisor = ProcessMark(name="supervisor", pid=os.getpid(), create_time=create_time)
    record = StackRecord(supervisor=supervisor, endpoints=ENDPOINTS, children=children)
    (state_dir / "stack.json").write_text(record.model_dump_json())


def test_running_stack_is_found_until_it_releases(tmp_path: Path) -> None:
    file = StackFile(tmp_path)
    file.claim()
    file.write(ENDPOINTS, {}, is_ready=True)
    record = StackFile(tmp_path).running()
    assert record is not None
    assert (record.endpoints, record.supervisor.pid) == (ENDPOINTS, os.getpid())
    file.release()
    assert StackFile(tmp_path).running() is None


def test_second_claim_names_the_running_stack(tmp_path: Path) -> None:
    file = StackFile(tmp_path)
    file.claim()
    file.write(ENDPOINTS, {}, is_ready=True)
    with pytest.raises(AlreadyRunningError, match=rf"pid {os.getpid()}.*http://127.0.0.1:1"):
        StackFile(tmp_path).claim()
    file.release()


def test_stack_with_a_reused_pid_does_not_count_as_running(tmp_path: Path) -> None:
    write_stale(tmp_path, create_time=psutil.Process().create_time() - 60, children=[])
    assert StackFile(tmp_path).running() is None


def test_claim_kills_what_a_dead_stack_left(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    child = ProcessMark.of("postgres", sleeper.pid)
    write_stale(tmp_path, create_time=1, children=[child])
    file = StackFile(tmp_path)
    file.claim()
    file.release()
    assert child.process is None


def test_claim_spares_a_process_that_reuses_a_childs_pid(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    stranger = ProcessMark(name="postgres", pid=sleeper.pid, create_time=1)
    write_stale(tmp_path, create_time=1, children=[stranger])
    file = StackFile(tmp_path)
    file.claim()
    file.release()
    assert sleeper.poll() is None


def test_unreadable_record_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    assert StackFile(tmp_path).running() is None


def test_terminate_waits_for_the_end(sleeper: subprocess.Popen[bytes]) -> None:
    mark = ProcessMark.of("supervisor", sleeper.pid)
    assert terminate(mark, timeout_s=5)
    assert mark.process is None
