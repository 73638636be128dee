"""What a task reads: remote pictures fetched into storage, guarded, and objects made links."""

import asyncio
import hashlib
from uuid import UUID

from temporalio import activity

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TaskType
from shared.contracts.inputs import FetchedInputs, FetchInputs, InputActivities, LinkObjects
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.repositories.scope import Scope
from shared.db.repositories.subjects import find_objects
from shared.db.session import Sessions
from shared.egress.fetch import fetch
from shared.egress.guard import Guard
from shared.errors import InvalidInputError, PlatformError
from shared.images.admission import ImageRefusedError, admit_image
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore
from shared.temporal.heartbeat import Heartbeat
from shared.temporal.shares import TenantShares, tenant_of_activity

_LINK_EXPIRY_S = 24 * 3600
"""Longer than a step waits for its provider."""
_SLOTS_A_PLACE = 8
_PATIENCE_S = 60.0
"""Waiting here costs a heartbeat now and then; to come again, a timer and two workflow tasks."""
_BEAT_S = 4.0


class InputFetcher(InputActivities):
    """Fetches one picture of a task after the other.

    Args:
        sessions: the records, which say where objects lie.
        objects: where they go.
        guard: which hosts may be called.
        limits: what a picture may be at most.
        places: tasks whose pictures are fetched at a time; no tenant takes more than half.
    """

    def __init__(
        self,
        sessions: Sessions,
        objects: ObjectStore,
        guard: Guard,
        limits: PictureLimits,
        *,
        places: int = 64,
    ) -> None:
        self.slots = _SLOTS_A_PLACE * places
        """Activities that its worker takes at a time: those that wait for a place as well."""
        self._shares = TenantShares(places, self.slots)
        self._sessions = sessions
        self._objects = objects
        self._guard = guard
        self._limits = limits

    @activity.defn(name="fetch_inputs")
    async def fetch_inputs(self, request: FetchInputs) -> FetchedInputs:
        """Fetch every URL, check that it is a picture, and store it."""
        async with (
            Heartbeat(_BEAT_S),
            self._shares.place(tenant_of_activity(), max_wait_s=_PATIENCE_S),
        ):
            return await self._fetch_all(request)

    @activity.defn(name="link_objects")
    async def link_objects(self, request: LinkObjects) -> dict[str, str]:
        """Presigned URLs by object key; whoever has one can read the object until it expires."""
        async with self._sessions() as session:
            # Whose they are is asked apart: a link to somebody else's goes nowhere.
            rows = await find_objects(session, Scope(), request.keys)
        content_key = {key: rows[key].content_key if key in rows else key for key in request.keys}
        try:
            return {
                key: self._objects.presigned_url(content_key[key], expires_s=_LINK_EXPIRY_S)
                for key in request.keys
            }
        except ValueError as error:  # no repetition makes a key of it
            raise InvalidInputError(f"what is to be linked is no object's key: {error}") from error

    async def _fetch_all(self, request: FetchInputs) -> FetchedInputs:
        files: dict[str, StoredFile] = {}
        for url in request.urls:
            try:
                files[url] = await self._fetch(url, request.task_id, request.task_type)
            except PlatformError as error:
                error.args = (f"{request.names.get(url, 'a picture')}: {error}",)
                raise
        # Two URLs of one picture are one object.
        distinct = {file.key: file for file in files.values()}
        return FetchedInputs(
            keys={url: file.key for url, file in files.items()}, files=list(distinct.values())
        )

    async def _fetch(self, url: str, task_id: UUID, task_type: TaskType) -> StoredFile:
        fetched = await fetch(
            url,
            max_bytes=self._limits.max_bytes,
            timeout_s=self._limits.fetch_timeout_s,
            guard=self._guard,
        )
        content = fetched.content
        try:
            admitted = await asyncio.to_thread(
                admit_image,
                content,
                max_bytes=self._limits.max_bytes,
                max_pixels=self._limits.max_pixels,
            )
        except ImageRefusedError as error:
            raise InvalidInputError(f"what the URL points at {error}") from error
        digest = hashlib.sha256(content).hexdigest()
        folder = f"{TASK_TYPES[task_type].task_folder(task_id)}/inputs"
        key = f"{folder}/{digest[:16]}.{admitted.extension}"
        await self._objects.put(key, content, admitted.content_type)
        return StoredFile(
            key=key,
            size_bytes=len(content),
            content_type=admitted.content_type,
            sha256=digest,
        )
