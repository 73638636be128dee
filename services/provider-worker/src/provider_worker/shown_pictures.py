"""Pictures as language models are shown them: scaled down, JPEG."""

from provider_worker.llm.chat import Picture
from provider_worker.llm.pictures import scaled
from provider_worker.source_pictures import PictureReader, SourcePicture
from shared.egress.errors import FetchError, ForbiddenUrlError
from shared.egress.fetch import fetch
from shared.egress.guard import Guard
from shared.errors import InvalidInputError
from shared.settings import PictureLimits
from shared.storage.object_store import ObjectStore
from shared.temporal.shares import TenantShares, tenant_of_activity

_LONGEST_FETCH_S = 15.0
"""A client waits for the evaluation of its picture."""


class ShownPictures:
    """Reads pictures that a model is to see.

    Args:
        objects: the object store.
        guard: decides which hosts may be called.
        limits: limits of a picture.
        places: concurrent downloads; one tenant uses at most half of them.
    """

    def __init__(
        self, objects: ObjectStore, guard: Guard, limits: PictureLimits, *, places: int = 64
    ) -> None:
        self._reader = PictureReader(objects, limits)
        self._guard = guard
        self._limits = limits
        self._shares = TenantShares(places)

    async def stored(self, field: str, key: str) -> Picture:
        """Return a stored picture.

        Raises:
            ObjectNotFoundError: there is no such object.
            InvalidInputError: it is no picture, is damaged, or exceeds the limits.
        """
        return await self._reader.read(field, key, _shown)

    async def fetched(self, field: str, url: str) -> Picture:
        """Return the picture behind a client's URL.

        Raises:
            InvalidInputError: it cannot be fetched, or is no usable picture.
            TenantLimitError: the tenant's other pictures are fetched first.
        """
        async with self._shares.place(tenant_of_activity()):
            try:
                found = await fetch(
                    url,
                    max_bytes=self._limits.max_bytes,
                    timeout_s=min(self._limits.fetch_timeout_s, _LONGEST_FETCH_S),
                    guard=self._guard,
                )
            except (ForbiddenUrlError, FetchError) as error:
                raise InvalidInputError(f"{field}: {error}") from error
            return await self._reader.convert(field, found.content, _shown)


def _shown(picture: SourcePicture) -> Picture:
    return scaled(picture.content)
