"""The archive of a dataset: an uncompressed ZIP whose bytes depend on its pictures alone."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from shared.cancellation import CancelFlag, stop_if

_UNIX = 3
_READABLE = 0o644 << 16


def write_archive(target: Path, files: Iterable[Path], cancel: CancelFlag) -> None:
    """Write files by their names, in order, one in memory at a time."""
    with ZipFile(target, "w", ZIP_STORED) as archive:
        for file in files:
            stop_if(cancel)
            # Its time is constant, 1980.
            entry = ZipInfo(file.name)
            entry.create_system, entry.external_attr = _UNIX, _READABLE
            archive.writestr(entry, file.read_bytes())


def file_sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
