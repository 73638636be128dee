"""LoRA files on this machine's disk, by digest: downloaded once, verified, evicted when unused."""

import asyncio
import fcntl
import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import BinaryIO

import structlog

from shared.contracts.generation import LoraChoice
from shared.errors import InvalidInputError, ObjectNotFoundError, ResourceError, StorageError
from shared.flux.engine import LoraUse
from shared.storage.object_store import ObjectStore

_log = structlog.stdlib.get_logger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SUFFIX, _PART = ".safetensors", ".part"


@dataclass
class _Entry:
    size_bytes: int = 0
    num_users: int = 0
    is_checked: bool = False
    """True once this process has verified the digest of the file on disk."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class LoraFiles:
    """A disk cache of files named by their digest, bounded in bytes; it survives a restart.

    A file is written under a temporary name, and renamed once its digest is verified. A file that
    an earlier process left is verified before its first use. Not thread-safe: one event loop.

    Args:
        objects: the object store of the files.
        folder: may be shared by several processes; each locks a folder of its own within it.
        max_bytes: limit of files on disk, running downloads included.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, objects: ObjectStore, folder: Path, max_bytes: int) -> None:
        self._objects = objects
        self._max_bytes = max_bytes
        self._folder, self._claim = _claim_folder(folder)
        self._entries = _leftovers(self._folder)
        self._make_room(0)

    @property
    def size_bytes(self) -> int:
        """The bytes of files on disk, and the final bytes of running downloads."""
        return sum(entry.size_bytes for entry in self._entries.values())

    @property
    def folder(self) -> Path:
        """The folder of this process's files."""
        return self._folder

    def close(self) -> None:
        """Unlock the folder; the files stay for the next process that locks it."""
        self._claim.close()

    @asynccontextmanager
    async def fetched(self, choices: Sequence[LoraChoice]) -> AsyncGenerator[list[LoraUse]]:
        """Download LoRAs, and keep their files on disk until the block ends.

        A LoRA of weight 0 has no effect, and is left out.

        Raises:
            InvalidInputError: there is no such LoRA; names the field.
            StorageError: the store failed, or the bytes do not match the digest.
            ResourceError: files in use leave too little disk space.
        """
        async with AsyncExitStack() as stack:
            yield [
                LoraUse(
                    field=choice.field,
                    sha256=choice.sha256,
                    path=await stack.enter_async_context(self._held(choice)),
                    weight=choice.weight,
                )
                for choice in choices
                if choice.weight
            ]

    @asynccontextmanager
    async def _held(self, choice: LoraChoice) -> AsyncGenerator[Path]:
        digest = choice.sha256
        if not _DIGEST.fullmatch(digest):
            raise InvalidInputError(f"{choice.field}: {choice.object_key!r} names no digest")
        entry = self._entries.setdefault(digest, _Entry())
        self._entries.move_to_end(digest)
        entry.num_users += 1
        try:
            async with entry.lock:
                path = self._path(digest)
                if not entry.is_checked or not path.exists():  # another process may have deleted it
                    await self._ensure(choice, entry)
                    entry.is_checked = True
            os.utime(path)
            yield path
        finally:
            entry.num_users -= 1
            if not entry.size_bytes and not entry.num_users:
                self._entries.pop(digest)

    async def _ensure(self, choice: LoraChoice, entry: _Entry) -> None:
        """Verify the file on disk, or download it."""
        path = self._path(choice.sha256)
        if path.exists():
            if await asyncio.to_thread(_digest_of, path) == choice.sha256:
                return
            _log.warning("lora_file_corrupt", sha256=choice.sha256)
            path.unlink(missing_ok=True)
        entry.size_bytes = 0
        part = path.with_suffix(_PART)
        try:
            await self._download(choice, entry, part)
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            entry.size_bytes = 0
            raise
        _log.info("lora_fetched", sha256=choice.sha256, size_bytes=entry.size_bytes)

    async def _download(self, choice: LoraChoice, entry: _Entry, part: Path) -> None:
        digest, received = hashlib.sha256(), 0

        def append(file: BinaryIO, chunk: bytes) -> None:
            file.write(chunk)
            digest.update(chunk)

        try:
            async with self._objects.open(choice.object_key) as opened:
                expected = opened.info.size_bytes
                self._make_room(expected, choice.field)
                entry.size_bytes = expected
                with part.open("wb") as file:
                    async for chunk in opened.chunks:
                        received += len(chunk)
                        if received > expected:
                            break
                        await asyncio.to_thread(append, file, chunk)
                    await asyncio.to_thread(_flush, file)
        except ObjectNotFoundError as error:
            message = f"{choice.field}: its LoRA no longer exists in storage; upload it again"
            raise InvalidInputError(message) from error
        if received != expected or digest.hexdigest() != choice.sha256:
            raise StorageError(
                f"{choice.field}: storage returned {received} bytes with sha256"
                f" {digest.hexdigest()} for {choice.object_key!r}"
            )

    def _make_room(self, needed_bytes: int, name: str = "") -> None:
        """Delete the least recently used files, never one in use."""
        for digest, entry in list(self._entries.items()):
            if self.size_bytes + needed_bytes <= self._max_bytes:
                return
            if not entry.num_users:
                self._path(digest).unlink(missing_ok=True)
                self._entries.pop(digest)
        if self.size_bytes + needed_bytes > self._max_bytes:
            raise ResourceError(
                f"{name}: its LoRA has {needed_bytes} bytes, those in use {self.size_bytes}; this "
                f"worker keeps {self._max_bytes} on disk (SARTIQ_INFERENCE_LORA_DISK_BYTES)"
            )

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}{_SUFFIX}"


def _claim_folder(parent: Path) -> tuple[Path, BinaryIO]:
    """Lock the first numbered folder that is free; the lock ends with the process."""
    for number in count():
        folder = parent / str(number)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        claim = (folder / "lock").open("wb")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
            continue
        return folder, claim
    raise AssertionError


def _leftovers(folder: Path) -> "OrderedDict[str, _Entry]":
    """List an earlier process's files, the least recently used first; delete partial ones."""
    for part in folder.glob(f"*{_PART}"):
        part.unlink()
    found = [path for path in folder.glob(f"*{_SUFFIX}") if _DIGEST.fullmatch(path.stem)]
    found.sort(key=lambda path: path.stat().st_mtime_ns)
    return OrderedDict((path.stem, _Entry(path.stat().st_size)) for path in found)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(file: BinaryIO) -> None:
    """Write to disk before the rename: after a power loss the name has a whole file, or none."""
    file.flush()
    os.fsync(file.fileno())
