"""Temporary folder of a process. After a kill -9, the next process of the same kind removes it.

Each process holds a lock on its folder, which the kernel releases when the process ends. Leftover
folders are therefore recognised without ages or process ids, also if several processes share a
machine or a container's disk outlives its processes.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_folder(kind: str, parent: Path | None = None) -> Generator[Path]:
    """Create a folder for the duration of the block, and remove the folders of dead processes.

    Args:
        kind: name of the group of processes that clean up each other's folders.
        parent: folder to create it in; none: the system's folder for temporary files.

    Raises:
        PermissionError: the kind's folder is a symlink or belongs to another user.
    """
    family = (parent or Path(tempfile.gettempdir())) / f"{kind}-{os.getuid()}"
    family.mkdir(mode=0o700, parents=True, exist_ok=True)
    if family.is_symlink() or family.stat().st_uid != os.getuid():
        raise PermissionError(
            f"{family} is a symlink or belongs to another user; remove it, or use another folder"
        )
    with _locked(family):
        # No folder is created meanwhile, so each folder that can be locked is of a dead process.
        for folder in family.iterdir():
            _remove_if_dead(folder)
        own = Path(tempfile.mkdtemp(dir=family))
        lock = os.open(own, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        os.close(lock)


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove_if_dead(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
