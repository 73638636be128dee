"""Supervisors in processes of their own, ended in every possible way."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from local_stack.processes import wait_all

PROGRAM = """
import asyncio, sys
from pathlib import Path
from local_stack.child import ChildSpec
from local_stack.foreground import run_in_foreground
from local_stack.supervisor import Supervisor

folder = Path(sys.argv[1])

def sleeper(name):
    code = f'''
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit()))
print("{name} here", flush=True)
time.sleep(60)
'''
    log = folder / "logs" / f"{name}.log"

    async def is_ready():
        return "here" in log.read_text()

    command = (sys.executable, "-c", code)
    return ChildSpec(name=name, command=command, cwd=folder, is_ready=is_ready)

async def main():
    supervisor = Supervisor(folder / "logs", start_timeout_s=60)
    try:
        await supervisor.start_together([sleeper("one"), sleeper("two")])
        print("up", flush=True)
        raise await supervisor.first_death()
    finally:
        await supervisor.stop(["one", "two"], grace_s=30)

sys.exit(run_in_foreground(main()))
"""


@contextlib.asynccontextmanager
async def running(
    tmp_path: Path,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[psutil.Process]]]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(tmp_path), stdout=pipe, stderr=pipe
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"up\n"
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 2
    try:
        yield process, family
    finally:
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def all_gone(family: list[psutil.Process]) -> bool:
    return await asyncio.to_thread(wait_all, family, 3)


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signal_stops_everything(tmp_path: Path, which: signal.Signals) -> None:
    async with running(tmp_path) as (process, family):
        begin = time.monotonic()
        process.send_signal(which)
        assert await process.wait() == 0
        assert time.monotonic() - begin < 20
        assert await all_gone(family)


async def test_second_ctrl_c_does_not_cut_the_stop_short(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, family):
        for _ in range(5):
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.01)
        assert await process.wait() == 0
        assert await all_gone(family)


async def test_death_of_a_child_stops_the_stack(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, family):
        [two] = [child for child in family if "two here" in child.cmdline()[-1]]
        two.terminate()
        _, shown = await process.communicate()
        assert process.returncode == 1
        assert shown.decode().splitlines() == [
            "two exited with 0; the end of its log:",
            "  two here",
        ]
        assert await all_gone(family)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
async def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    async with running(tmp_path) as (process, family):
        process.kill()
        await process.wait()
        assert await all_gone(family)
