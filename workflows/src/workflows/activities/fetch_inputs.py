"""Fetching of remote pictures into storage, for tasks and trainings, and presigned links."""

import asyncio
import hashlib
from uuid import UUID

from pydantic import TypeAdapter
from temporalio import activity

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import ErrorCategory, TaskType
from shared.contracts.failures import CONSEQUENCES
from shared.contracts.folders import TRAININGS_FOLDER
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
_OUR_FAULTS = frozenset({ErrorCategory.STORAGE, ErrorCategory.INTERNAL})
"""Categories of failures that say nothing about a URL: they are never its fault."""


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
        """Fetch every URL, check that the content is an image, and store it.

        A retried partial request does not fetch again what its earlier attempts have fetched.
        """
        heartbeat = Heartbeat(_HEARTBEAT_S)
        heartbeat.details = tuple(activity.info().heartbeat_details)
        async with (
            heartbeat,
            self._shares.place(tenant_of_activity(), max_wait_s=_PLACE_TIMEOUT_S),
        ):
            if request.is_partial:
                return await self._fetch_some(request, heartbeat)
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
        return _fetched(files)

    async def _fetch_some(self, request: FetchInputs, heartbeat: Heartbeat) -> FetchedInputs:
        """Fetch what can be fetched; a passing failure is raised at the end, to be retried."""
        files = _kept(heartbeat)
        faults: dict[str, str] = {}
        passing: PlatformError | None = None
        for url in request.urls:
            if url in files:
                continue
            try:
                files[url] = await self._fetch(url, request.task_id, request.task_type)
            except PlatformError as error:
                is_passing = CONSEQUENCES[error.category].is_retried
                if is_passing and (error.category in _OUR_FAULTS or not _is_last_attempt()):
                    error.args = (f"{request.names.get(url, 'a picture')}: {error}",)
                    passing = error
                else:
                    faults[url] = str(error)
            else:
                _keep(heartbeat, files)
        if passing is not None:
            activity.heartbeat(*heartbeat.details)
            raise passing
        return _fetched(files).model_copy(update={"faults": faults})

    async def _fetch(self, url: str, task_id: UUID, task_type: TaskType | None) -> StoredFile:
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
        key = f"{_folder(task_id, task_type)}/inputs/{digest[:16]}.{admitted.extension}"
        await self._objects.put(key, content, admitted.content_type)
        return StoredFile(
            key=key,
            size_bytes=len(content),
            content_type=admitted.content_type,
            sha256=digest,
        )


def _folder(task_id: UUID, task_type: TaskType | None) -> str:
    if task_type is None:
        return f"{TRAININGS_FOLDER}/{task_id}"
    return TASK_TYPES[task_type].task_folder(task_id)


def _fetched(files: dict[str, StoredFile]) -> FetchedInputs:
    # Two URLs of the same picture give one object.
    distinct = {file.key: file for file in files.values()}
    return FetchedInputs(
        keys={url: file.key for url, file in files.items()}, files=list(distinct.values())
    )


def _keep(heartbeat: Heartbeat, files: dict[str, StoredFile]) -> None:
    """Leave the files by URL to the next attempt."""
    heartbeat.details = ({url: file.model_dump(mode="json") for url, file in files.items()},)


def _kept(heartbeat: Heartbeat) -> dict[str, StoredFile]:
    """Return the files that earlier attempts left, by URL."""
    if not heartbeat.details:
        return {}
    return TypeAdapter(dict[str, StoredFile]).validate_python(heartbeat.details[0])


def _is_last_attempt() -> bool:
    info = activity.info()
    attempts = info.retry_policy.maximum_attempts if info.retry_policy else 0
    return bool(attempts) and info.attempt >= attempts
