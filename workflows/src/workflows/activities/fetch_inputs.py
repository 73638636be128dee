"""Fetching of a task's remote pictures into storage, and presigned links to objects."""

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
_SLOTS_PER_PLACE = 8
_PLACE_TIMEOUT_S = 60.0
"""A wait in the activity costs heartbeats only; a retry costs a timer and two workflow tasks."""
_HEARTBEAT_S = 4.0


class InputFetcher(InputActivities):
    """Fetching of pictures, one after the other within a task.

    Args:
        sessions: the records, which map paths to object keys.
        objects: destination of the pictures.
        guard: decides which hosts may be called.
        limits: limits of a picture.
        places: tasks whose pictures are fetched concurrently; one tenant uses at most half of them.
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
        self.slots = _SLOTS_PER_PLACE * places
        """Concurrent activities of its worker, including those that wait for a place."""
        self._shares = TenantShares(places, self.slots)
        self._sessions = sessions
        self._objects = objects
        self._guard = guard
        self._limits = limits

    @activity.defn(name="fetch_inputs")
    async def fetch_inputs(self, request: FetchInputs) -> FetchedInputs:
        """Fetch every URL, check that the content is an image, and store it."""
        async with (
            Heartbeat(_HEARTBEAT_S),
            self._shares.place(tenant_of_activity(), max_wait_s=_PLACE_TIMEOUT_S),
        ):
            return await self._fetch_all(request)

    @activity.defn(name="link_objects")
    async def link_objects(self, request: LinkObjects) -> dict[str, str]:
        """Return presigned URLs by object key; each gives read access until it expires."""
        async with self._sessions() as session:
            # No owner check here: `foreign_objects` and `pin_pictures` do it before links are used.
            rows = await find_objects(session, Scope(), request.keys)
        content_key = {key: rows[key].content_key if key in rows else key for key in request.keys}
        try:
            return {
                key: self._objects.presigned_url(content_key[key], expires_s=_LINK_EXPIRY_S)
                for key in request.keys
            }
        except ValueError as error:  # final: a retry cannot help
            raise InvalidInputError(f"not a valid object key: {error}") from error

    async def _fetch_all(self, request: FetchInputs) -> FetchedInputs:
        files: dict[str, StoredFile] = {}
        for url in request.urls:
            try:
                files[url] = await self._fetch(url, request.task_id, request.task_type)
            except PlatformError as error:
                error.args = (f"{request.names.get(url, 'a picture')}: {error}",)
                raise
        # Two URLs of the same picture give one object.
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
            raise InvalidInputError(f"the file at the URL {error}") from error
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
