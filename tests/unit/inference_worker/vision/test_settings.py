"""The default number of threads of the models."""

import os
from pathlib import Path

import pytest

from inference_worker.vision.settings import VisionSettings, usable_cores


def _cores() -> int:
    return min(len(os.sched_getaffinity(0)), 8)


@pytest.mark.parametrize(
    ("quota", "most"), [("max 100000", 8), ("100000 100000", 1), ("50000 100000", 1)]
)
def test_a_containers_quota_counts(tmp_path: Path, quota: str, most: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert usable_cores(file) == min(_cores(), most)


def test_without_a_quota_all_cores_count(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "cpu.max") == _cores()


def test_a_setting_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARTIQ_VISION_THREADS", "3")
    assert VisionSettings().threads == 3
