"""A folder for a process's temporary files. After kill -9 the next process of its kind removes it.

Each process holds a lock on its folder, which the kernel lets go of with the process. So folders of
the dead are told from those of the living without ages or process ids, also where several run on
one machine, or a container's disk outlives its processes.
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
    """Make a folder for as long as the block lasts, and remove those of processes that died.

    Args:
        kind: what processes have in common that clean up after each other.
        parent: where the folders lie; none: the system's folder for temporary files.

    Raises:
        PermissionError: somebody else has made the folder that ours would lie in.
    """
    family = (parent or Path(tempfile.gettempdir())) / f"{kind}-{os.getuid()}"
    family.mkdir(mode=0o700, parents=True, exist_ok=True)
    if family.is_symlink() or family.stat().st_uid != os.getuid():
        raise PermissionError(f"{family} is somebody else's; remove it, or choose another folder")
    with _locked(family):
        # Nobody makes a folder meanwhile, so that each that can be locked is a dead process's.
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
