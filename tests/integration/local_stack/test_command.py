"""The stack in a separate process, controlled from outside."""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from local_stack.processes import descendants, wait_all
from local_stack.stack_file import StackFile

pytestmark = pytest.mark.long

PROGRAM = """
import asyncio, sys
from local_stack.foreground import run_in_foreground
from local_stack.settings import LocalSettings
from local_stack.stack import LocalStack

async def main():
    async with LocalStack(LocalSettings(), services=()) as stack:
        raise await stack.first_death()

sys.exit(run_in_foreground(main()))
"""


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sartiq-test-") as folder:
        yield Path(folder)


async def python(state_dir: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**os.environ, "SARTIQ_LOCAL_STATE_DIR": str(state_dir)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def command(state_dir: Path, *arguments: str) -> tuple[int | None, str]:
    process = await python(state_dir, "-m", "local_stack", *arguments)
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@contextlib.asynccontextmanager
async def running(state_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await python(state_dir, "-c", PROGRAM)
    try:
        async with asyncio.timeout(60):
            while not ((record := StackFile(state_dir).running()) and record.is_ready):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_down_stops_a_running_stack_in_time(state_dir: Path) -> None:
    async with running(state_dir) as process:
        family = descendants(process.pid)
        code, shown = await command(state_dir, "status")
        assert code == 0
        assert "Temporal UI" in shown
        assert "postgres" in shown

        begin = time.monotonic()
        assert await command(state_dir, "down") == (0, "stopped\n")
        assert time.monotonic() - begin < 15
        assert await process.wait() == 0
        assert await asyncio.to_thread(wait_all, family, 0)
    assert await command(state_dir, "status") == (1, "no stack is running\n")
    assert await command(state_dir, "down") == (0, "no stack is running\n")


async def test_second_up_reports_the_running_stack(state_dir: Path) -> None:
    async with running(state_dir) as process:
        code, shown = await command(state_dir, "up")
        assert code == 1
        assert f"a stack is already running (pid {process.pid})" in shown
        assert process.returncode is None


async def test_run_gives_a_command_the_settings_of_the_running_stack(state_dir: Path) -> None:
    interpreter = ("run", sys.executable)
    keys = (*interpreter, "-m", "api_gateway.keys")
    assert await command(state_dir, *keys, "list") == (1, "no stack is running\n")
    async with running(state_dir):
        assert (await command(state_dir, *interpreter, "-m", "shared.db.upgrade"))[0] == 0
        code, shown = await command(state_dir, *keys, "create", "--name", "a shop")
        assert (code, shown.splitlines()[-1][:3]) == (0, "sk_")
        code, shown = await command(state_dir, *keys, "list")
        assert (code, "a shop" in shown) == (0, True)
        assert (await command(state_dir, *interpreter, "-c", "raise SystemExit(7)"))[0] == 7
        code, shown = await command(state_dir, "run", "no-such-command")
        assert (code, "No such file" in shown) == (127, True)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
async def test_killed_stack_leaves_no_process_and_starts_again(state_dir: Path) -> None:
    async with running(state_dir) as process:
        family = [psutil.Process(process.pid), *descendants(process.pid)]
        assert len(family) > 4
        process.kill()
        await process.wait()
        assert await asyncio.to_thread(wait_all, family, 5)
    async with running(state_dir) as process:
        assert process.returncode is None
