"""A process removes its folder at exit; after a kill the next process removes it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.own_folder import own_folder

_PROCESS = """
import sys
from pathlib import Path
from shared.own_folder import own_folder
with own_folder("tests", Path(sys.argv[1])) as folder:
    (folder / "upload").write_bytes(b"half of it")
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_process(parent: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process and its folder."""
    command = [sys.executable, "-c", _PROCESS, str(parent)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_folder_is_removed_after_the_block(tmp_path: Path) -> None:
    with own_folder("tests", tmp_path) as folder:
        (folder / "upload").write_bytes(b"x")
        assert folder.is_relative_to(tmp_path)
    assert not folder.exists()


def test_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_stays(
    tmp_path: Path,
) -> None:
    with other_process(tmp_path) as (living, kept), other_process(tmp_path) as (dead, left):
        dead.kill()
        dead.wait()
        assert (left / "upload").exists()

        with own_folder("tests", tmp_path) as own:
            assert {path.name for path in own.parent.iterdir()} == {own.name, kept.name}
            assert (kept / "upload").exists()
        assert living.poll() is None


def test_kinds_do_not_clean_up_after_each_other(tmp_path: Path) -> None:
    with other_process(tmp_path) as (dead, left):
        dead.kill()
        dead.wait()
    with own_folder("others", tmp_path):
        assert left.exists()


def test_folder_that_is_a_symlink_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"tests-{os.getuid()}").symlink_to(elsewhere)
    with (
        pytest.raises(PermissionError, match="another user"),
        own_folder("tests", tmp_path),
    ):
        pass
