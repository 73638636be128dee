"""The converter as a separate process: it refuses malicious files, and converts others exactly."""

import asyncio
import contextlib
import resource
import tempfile
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from inference_worker.lora.conversion.sandbox import run_converter
from shared.contracts.enums import ErrorCategory
from shared.errors import InvalidInputError, PlatformError
from tests.fixtures.pickles import fine_files, hostile, saved, tensors

pytestmark = pytest.mark.long

MAX_BYTES = 1024 * 1024

with tempfile.TemporaryDirectory() as _folder:
    NAMES = sorted(hostile(Path(_folder) / "mark"))


@pytest.mark.parametrize("name", NAMES)
async def test_malicious_file_is_refused_and_runs_nothing(tmp_path: Path, name: str) -> None:
    mark, source, target = tmp_path / "mark", tmp_path / "in", tmp_path / "out"
    source.write_bytes(hostile(mark)[name])
    with pytest.raises(InvalidInputError) as refused:
        await run_converter(source, target, max_bytes=MAX_BYTES)
    assert str(refused.value)
    assert not mark.exists()
    assert not target.exists()


@pytest.mark.parametrize("name", sorted(fine_files()))
async def test_tensors_are_converted_bit_by_bit(tmp_path: Path, name: str) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(fine_files()[name])
    await run_converter(source, target, max_bytes=MAX_BYTES)
    converted, expected = load_file(target), tensors()
    assert converted.keys() == expected.keys()
    for key, tensor in expected.items():
        assert converted[key].dtype == tensor.dtype
        assert torch.equal(converted[key], tensor)


async def test_more_tensors_than_may_be_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(saved(tensors()))
    with pytest.raises(InvalidInputError, match="at most 100 may be"):
        await run_converter(source, tmp_path / "out", max_bytes=100)


async def test_converter_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(saved(tensors()))
    with pytest.raises(PlatformError, match="took longer") as late:
        await run_converter(source, tmp_path / "out", max_bytes=MAX_BYTES, wall_s=0.01)
    assert late.value.category == ErrorCategory.TIMEOUT
    assert not _converters()


async def test_converter_ends_with_the_attempt_that_started_it(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(saved(tensors()))
    running = asyncio.create_task(run_converter(source, tmp_path / "out", max_bytes=MAX_BYTES))
    async with asyncio.timeout(10):
        while not _converters():
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not _converters()


async def test_converter_has_no_environment_and_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SARTIQ_S3_SECRET_KEY", "secret")
    source = tmp_path / "in"
    source.write_bytes(saved(tensors()))
    running = asyncio.create_task(run_converter(source, tmp_path / "out", max_bytes=MAX_BYTES))
    seen: tuple[dict[str, str], int, tuple[int, int]] | None = None
    async with asyncio.timeout(10):
        while seen is None:
            for process in _converters():
                limit = process.rlimit(psutil.RLIMIT_AS)
                if limit[0] != resource.RLIM_INFINITY:
                    core = process.rlimit(psutil.RLIMIT_CORE)
                    seen = process.environ(), limit[0], core
            await asyncio.sleep(0.005)
    await running
    environment, address_space, core = seen
    assert not [name for name in environment if name.startswith("SARTIQ")]
    assert address_space == 6 * 1024**3
    assert core == (0, 0)


def _converters() -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # servers of other tests come and go
            is_alive = child.status() != psutil.STATUS_ZOMBIE
            if is_alive and "inference_worker.lora.conversion.convert" in child.cmdline():
                found.append(child)
    return found
