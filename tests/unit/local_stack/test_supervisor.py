import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from local_stack.child import ChildSpec
from local_stack.errors import ChildDiedError, NotReadyError, StackError
from local_stack.processes import is_alive, wait_all
from local_stack.supervisor import Supervisor

MakeSpec = Callable[..., ChildSpec]


async def test_child_is_ready_when_its_check_returns_true(
    supervisor: Supervisor, dummy: MakeSpec, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"

    async def is_ready() -> bool:
        return mark.exists()

    program = (
        f"import pathlib, time; time.sleep(.2); pathlib.Path({str(mark)!r}).touch(); time.sleep(60)"
    )
    await supervisor.start(dummy("server", program, is_ready=is_ready))
    assert mark.exists()
    assert [child.name for child in supervisor.running] == ["server"]


async def test_child_that_dies_is_a_death_with_its_last_lines(
    supervisor: Supervisor, dummy: MakeSpec
) -> None:
    await supervisor.start(dummy("steady"))
    program = "import sys\nfor i in range(50): print('line', i)\nsys.exit(3)"
    await supervisor.start(dummy("fragile", program))
    death = await asyncio.wait_for(supervisor.first_death(), 60)
    assert (death.name, death.returncode) == ("fragile", 3)
    lines = str(death).splitlines()
    assert lines[0].startswith("fragile exited with 3")
    assert [line.strip() for line in lines[1:]] == [f"line {i}" for i in range(30, 50)]


async def test_child_that_dies_while_it_starts_fails_the_start(
    supervisor: Supervisor, dummy: MakeSpec
) -> None:
    async def never() -> bool:
        return False

    with pytest.raises(ChildDiedError, match="no luck"):
        await supervisor.start(dummy("bad", "raise SystemExit('no luck')", is_ready=never))


async def test_earlier_child_that_dies_fails_the_start_of_a_later_one(
    supervisor: Supervisor, dummy: MakeSpec
) -> None:
    async def never() -> bool:
        return False

    await supervisor.start(dummy("database", "import time; time.sleep(.2)"))
    with pytest.raises(ChildDiedError, match="database exited with 0"):
        await supervisor.start(dummy("gateway", is_ready=never))


async def test_child_that_is_not_ready_in_time_is_reported(dummy: MakeSpec, tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    supervisor = Supervisor(tmp_path / "logs", start_timeout_s=0.3)
    with pytest.raises(NotReadyError, match=r"slow was not ready within 0.3 s"):
        await supervisor.start(dummy("slow", is_ready=never))
    await supervisor.stop(["slow"], grace_s=1)


async def test_one_failure_ends_a_start_side_by_side(
    supervisor: Supervisor, dummy: MakeSpec
) -> None:
    async def never() -> bool:
        return False

    begin = time.monotonic()
    with pytest.raises(ChildDiedError, match="bad exited with 1"):
        await supervisor.start_together(
            [dummy("waiting", is_ready=never), dummy("bad", "raise SystemExit(1)", is_ready=never)]
        )
    assert time.monotonic() - begin < 30


async def test_stop_leaves_no_process_not_even_a_grandchild(
    supervisor: Supervisor, dummy: MakeSpec, tmp_path: Path
) -> None:
    sleeper = "import sys, time; print('grandchild', flush=True); time.sleep(60)"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeper!r}])"

    async def has_grandchild() -> bool:
        return "grandchild" in (tmp_path / "logs" / "parent.log").read_text()

    await supervisor.start(dummy("parent", program, is_ready=has_grandchild))
    [child] = supervisor.running
    family = psutil.Process(child.pid).children(recursive=True)
    assert family
    await supervisor.stop(["parent"], grace_s=2)
    assert not [process for process in family if is_alive(process)]
    assert supervisor.running == []
    assert supervisor.death is None


async def test_child_that_dies_leaves_no_grandchild(
    supervisor: Supervisor, dummy: MakeSpec, tmp_path: Path
) -> None:
    program = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(grandchild.pid, flush=True)
"""
    await supervisor.start(dummy("parent", program))
    await asyncio.wait_for(supervisor.first_death(), 60)
    pid = int((tmp_path / "logs" / "parent.log").read_text())
    with contextlib.suppress(psutil.NoSuchProcess):
        assert await asyncio.to_thread(wait_all, [psutil.Process(pid)], 3)


async def test_child_that_ignores_sigterm_is_killed_after_its_grace(
    supervisor: Supervisor, dummy: MakeSpec, tmp_path: Path
) -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(60)"
    )

    async def is_deaf() -> bool:
        return "deaf" in (tmp_path / "logs" / "stubborn.log").read_text()

    await supervisor.start(dummy("stubborn", program, is_ready=is_deaf))
    begin = time.monotonic()
    await supervisor.stop(["stubborn"], grace_s=0.3)
    assert time.monotonic() - begin < 30


async def test_killed_child_is_expected_and_can_restart(
    supervisor: Supervisor, dummy: MakeSpec
) -> None:
    await supervisor.start(dummy("worker"))
    first = supervisor.running[0].pid
    await supervisor.kill("worker", signal.SIGKILL)
    assert supervisor.running == []
    await supervisor.restart("worker")
    assert supervisor.running[0].pid != first
    assert supervisor.death is None


async def test_second_start_of_a_running_child_is_refused(
    supervisor: Supervisor, dummy: MakeSpec
) -> None:
    await supervisor.start(dummy("worker"))
    with pytest.raises(StackError, match="worker is already running"):
        await supervisor.start(dummy("worker"))


async def test_restarted_child_shows_only_its_own_lines(
    supervisor: Supervisor, dummy: MakeSpec, tmp_path: Path
) -> None:
    async def has_spoken() -> bool:
        return "old" in (tmp_path / "logs" / "worker.log").read_text()

    program = "import time; print('old', flush=True); time.sleep(60)"
    await supervisor.start(dummy("worker", program, is_ready=has_spoken))
    await supervisor.kill("worker")
    await supervisor.start(dummy("worker", "raise SystemExit('new')"))
    death = await asyncio.wait_for(supervisor.first_death(), 60)
    assert "new" in str(death)
    assert "old" not in str(death)


async def test_child_cleans_up_before_its_start_and_after_its_end(
    supervisor: Supervisor, dummy: MakeSpec
) -> None:
    calls: list[str] = []
    await supervisor.start(dummy("worker", clean_up=lambda: calls.append("swept")))
    assert calls == ["swept"]
    await supervisor.stop(["worker"], grace_s=2)
    assert calls == ["swept", "swept"]


async def test_run_fails_with_the_child(supervisor: Supervisor, dummy: MakeSpec) -> None:
    await supervisor.run(dummy("good", "print('done')"))
    with pytest.raises(ChildDiedError, match=r"(?s)bad exited with 1.*no table"):
        await supervisor.run(dummy("bad", "raise SystemExit('no table')"))
    assert supervisor.death is None


async def test_environment_of_the_spec_is_added_to_ours(
    supervisor: Supervisor, dummy: MakeSpec, tmp_path: Path
) -> None:
    program = "import os; print(os.environ['SARTIQ_X'], 'PATH' in os.environ)"
    await supervisor.run(dummy("printer", program, environment={"SARTIQ_X": "42"}))
    assert (tmp_path / "logs" / "printer.log").read_text() == "42 True\n"


async def test_child_is_restarted_when_its_socket_disappears(
    supervisor: Supervisor, dummy: MakeSpec, tmp_path: Path
) -> None:
    socket = tmp_path / "socket"

    async def is_there() -> bool:
        return socket.exists()

    program = f"import pathlib, time; pathlib.Path({str(socket)!r}).touch(); time.sleep(60)"
    await supervisor.start(dummy("server", program, sockets=(socket,), is_ready=is_there))
    [first] = supervisor.running
    socket.unlink()
    async with asyncio.timeout(10):
        while not socket.exists():
            await asyncio.sleep(0.05)
    [second] = supervisor.running
    assert second.pid != first.pid
    assert supervisor.death is None


async def test_stop_of_a_restarting_child_leaves_no_process(
    supervisor: Supervisor, dummy: MakeSpec, tmp_path: Path
) -> None:
    socket = tmp_path / "socket"
    socket.touch()
    await supervisor.start(dummy("server", sockets=(socket,)))
    [first] = supervisor.running
    socket.unlink()
    await first.wait()
    await supervisor.stop(["server"], grace_s=0)
    assert supervisor.running == []
    assert supervisor.death is None
