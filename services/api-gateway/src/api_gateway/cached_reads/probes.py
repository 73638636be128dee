"""Health checks of the gateway's dependencies, cached for a few seconds."""

import asyncio
import math
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import structlog
from temporalio.client import Client

from shared.db.health import find_write_fault
from shared.db.session import Sessions
from shared.storage.object_store import ObjectStore

_log = structlog.stdlib.get_logger(__name__)

OK = "ok"
_KEPT_S = 3.0
_TIMEOUT_S = 3.0
_STORAGE_WRITE_KEPT_S = 30.0
_PROBE_KEY = ".readiness"
"""Key of an object that no client can name by path."""
_PROBE_BYTES = bytes(4096)

Ask = Callable[[], Awaitable[str | None]]
"""Question for a dependency's fault; raises if the dependency does not respond."""


class Check:
    """Cached state of one dependency.

    Args:
        name: the dependency's name, for logs.
        ask: finds its state.
        kept_s: seconds that a state is cached.
    """

    def __init__(self, name: str, ask: Ask, *, kept_s: float = _KEPT_S) -> None:
        self._name, self._ask, self._kept_s = name, ask, kept_s
        self._lock = asyncio.Lock()
        self._found, self._found_at = OK, -math.inf

    async def __call__(self) -> str:
        """Return `ok`, or the fault."""
        async with self._lock:
            if time.monotonic() - self._found_at >= self._kept_s:
                self._found = await self._find()
                self._found_at = time.monotonic()
            return self._found

    async def _find(self) -> str:
        try:
            return await asyncio.wait_for(self._ask(), _TIMEOUT_S) or OK
        except Exception as error:  # noqa: BLE001 — any error means that it does not respond
            _log.warning("check_failed", part=self._name, error=repr(error))
            return "does not respond"


def database_check(sessions: Sessions) -> Check:
    """Return the check that the database can be read and written."""
    return Check("database", lambda: find_write_fault(sessions))


def uploads_check(folder: Path | None, min_free_bytes: int) -> Check:
    """Return the check that uploads can be written to the folder, or to the temporary one."""
    return Check("uploads", lambda: asyncio.to_thread(_uploads_fault, folder, min_free_bytes))


def temporal_check(client: Client) -> Check:
    """Return the check that Temporal serves requests."""

    async def ask() -> str | None:
        timeout = timedelta(seconds=_TIMEOUT_S)
        is_serving = await client.service_client.check_health(timeout=timeout, retry=False)
        return None if is_serving else "does not serve requests"

    return Check("temporal", ask)


def storage_check(objects: ObjectStore) -> Check:
    """Return the check that the object store responds and, twice a minute, accepts writes."""

    async def write() -> None:
        await objects.put(_PROBE_KEY, _PROBE_BYTES, "application/octet-stream")

    writes = Check("storage_writes", write, kept_s=_STORAGE_WRITE_KEPT_S)

    async def ask() -> str | None:
        await objects.head(_PROBE_KEY)
        return None if await writes() == OK else "does not accept writes"

    return Check("storage", ask)


def _uploads_fault(folder: Path | None, min_free_bytes: int) -> str | None:
    try:
        with tempfile.TemporaryFile(buffering=0, dir=folder) as probe:
            probe.write(_PROBE_BYTES)
            file_system = os.fstatvfs(probe.fileno())
    except OSError as error:
        _log.warning("check_failed", part="uploads", error=repr(error))
        return "the temporary folder does not accept writes"
    if file_system.f_bavail * file_system.f_frsize < min_free_bytes:
        return f"the temporary folder has less than {min_free_bytes} bytes left"
    return None
