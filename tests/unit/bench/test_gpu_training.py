"""The benchmark of trainings on a GPU, at its small scale."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCH))
    threads = torch.get_num_threads()
    gpu_training = import_module("gpu_training")
    monkeypatch.setattr(gpu_training, "WARM_UP", 1)
    monkeypatch.setattr(gpu_training, "STEPS", 2)
    yield gpu_training
    torch.set_num_threads(threads)


@pytest.mark.long
@pytest.mark.models
def test_every_case_runs_small_and_is_not_judged(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_training.py", "--tiny"])
    assert bench.main() == 0
    written = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in written[1:-1]] == ["64²", "64²", "32²", "32²"]
    assert written[-1].startswith("not judged")


@pytest.mark.parametrize(
    ("per_s", "reserved_gib", "is_missed"),
    [(1.2, 40.0, False), (1.1, 40.0, True), (1.2, 40.5, True)],
    ids=["met", "slow", "large"],
)
def test_speed_and_memory_are_judged(
    bench: ModuleType, *, per_s: float, reserved_gib: float, is_missed: bool
) -> None:
    found = bench.Figures(per_s, 30.0, reserved_gib, "adamw8bit")
    line, missed = bench.describe(bench.FULL, bench.CASES[0], found)
    assert missed is is_missed
    assert line.startswith("1024², checkpointing, adamw8bit")
    assert f"{reserved_gib:.1f} GiB reserved" in line


def test_the_full_size_needs_a_gpu(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_training.py"])
    assert bench.main() == 2
    assert "no CUDA device" in capsys.readouterr().err
