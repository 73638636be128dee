"""Tells apart models that lie under the same name."""

import hashlib
from pathlib import Path

_SAMPLE_BYTES = 65_536


def fingerprint(folder: Path) -> str:
    """Digest of a model folder: every file's name, size, first and last 64 KiB.

    Training moves all weights, so samples tell models apart; reading tens of gigabytes would not.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size_bytes = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size_bytes}\0".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE_BYTES))
            file.seek(max(size_bytes - _SAMPLE_BYTES, 0))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()
