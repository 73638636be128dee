"""The log of a training: bounded, and continued over attempts."""

import re
from datetime import UTC, datetime

from shared.contracts.progress import LOG_MAX_CHARS
from tests.fakes.files import MemoryFiles
from training_worker.watch.log import TrainingLog

_KEY = "trainings/a/log.txt"


def _log(max_bytes: int = 5 * 1024 * 1024) -> TrainingLog:
    return TrainingLog(lambda: datetime(2026, 11, 30, 12, 0, 5, tzinfo=UTC), max_bytes=max_bytes)


def test_lines_have_time_and_level() -> None:
    log = _log()
    log.info("begun")
    log.warning("two\nlines\0")
    log.error("靴")

    assert (
        log.text
        == log.end
        == (
            "2026-11-30T12:00:05Z INFO begun\n"
            "2026-11-30T12:00:05Z WARNING two lines\n"
            "2026-11-30T12:00:05Z ERROR 靴\n"
        )
    )


def test_end_has_whole_lines_of_the_limit() -> None:
    written = _log()
    for number in range(2000):
        written.info(f"line {number}")

    lines = written.end.splitlines()
    assert LOG_MAX_CHARS - 60 < len(written.end) <= LOG_MAX_CHARS
    assert all(re.fullmatch(r"\S+ INFO line \d+", line) for line in lines)
    assert lines[-1].endswith("line 1999")


def test_too_long_log_keeps_head_and_newest_lines() -> None:
    written = _log(max_bytes=5000)
    for number in range(1000):
        written.info(f"line {number:04}")

    lines = written.text.splitlines()
    assert len(written.text.encode()) < 5100
    assert lines[0].endswith("line 0000")
    assert lines[-1].endswith("line 0999")
    [gap] = [line for line in lines if line.startswith("…")]
    numbers = [int(line[-4:]) for line in lines if line != gap]
    assert numbers == sorted(numbers)
    assert gap == f"… {1000 - len(numbers)} lines are left out here"


def test_next_attempt_continues_the_stored_log() -> None:
    files, first = MemoryFiles(), _log(max_bytes=5000)
    first.open(files, _KEY, ["2026-11-30T11:00:00Z INFO 12 pictures"])
    for number in range(500):
        first.info(f"line {number:04}")
    assert first.store(files, _KEY)

    second = _log(max_bytes=5000)
    second.open(files, _KEY, ["not again"])
    assert second.text == first.text
    second.info("resumed")
    for number in range(500, 1000):
        second.info(f"line {number:04}")
    second.store(files, _KEY)

    lines = files.objects[_KEY].decode().splitlines()
    assert lines[0] == "2026-11-30T11:00:00Z INFO 12 pictures"
    assert lines[-1].endswith("line 0999")
    [gap] = [line for line in lines if line.startswith("…")]
    assert gap == f"… {1002 - (len(lines) - 1)} lines are left out here"


def test_refused_store_gets_the_log_the_next_time() -> None:
    files, log = MemoryFiles(), _log()
    log.info("a")
    files.num_failures = 1

    assert not log.store(files, _KEY)
    assert log.store(files, _KEY)
    assert files.objects[_KEY].decode() == log.text

    files.objects.clear()
    assert log.store(files, _KEY)  # nothing new
    assert not files.objects
