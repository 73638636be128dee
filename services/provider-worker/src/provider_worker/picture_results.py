"""Results of work that returns pictures: stored files, result fields, provenance."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from provider_worker.calls import CallLog
from provider_worker.errors import UnusableResultError
from provider_worker.folders import attempt_folder
from provider_worker.media import MediaKeeper
from provider_worker.outcomes import ProviderResult
from shared.contracts.attempts import StoredFile
from shared.contracts.enums import ErrorCategory
from shared.contracts.provenance import FileProvenance, Provenance
from shared.contracts.service_requests import BilledUnits
from shared.contracts.submissions import RemoteWork
from shared.errors import PlatformError

_MAX_PICTURES = 64


@dataclass(frozen=True)
class ReturnedPictures:
    """The pictures that a provider returned.

    Attributes:
        name: of the provider, in messages.
        pictures: URLs, data URLs or contents.
        provenance: of the pictures, less the files.
        seed: of the request. With several pictures it is not that of each, and is left out.
        billed: units that the provider charged; recorded even if the pictures cannot be stored.
        size: width and height to which the pictures are resampled; none: they stay as they are.
    """

    name: str
    pictures: Sequence[str | bytes]
    provenance: Provenance
    seed: int | None = None
    billed: list[BilledUnits] = field(default_factory=list[BilledUnits])
    size: tuple[int, int] | None = None


async def store_pictures(
    media: MediaKeeper, work: RemoteWork, returned: ReturnedPictures, log: CallLog
) -> ProviderResult:
    """Store pictures under the folder of the attempt.

    Raises:
        UnusableResultError: there are too many, or one exceeds our limits.
        PlatformError: there are none, or one cannot be fetched.
    """
    try:
        files = await _stored(media, work, returned, log)
    except PlatformError as error:
        error.billed = tuple(returned.billed)
        raise
    keys = [file.key for file in files]
    seed = returned.seed if len(files) == 1 else None
    listed = [FileProvenance(key=file.key, sha256=file.sha256, seed=seed) for file in files]
    return ProviderResult(
        {"result_image_path": keys[0], "result_image_paths": keys},
        files,
        returned.billed,
        returned.provenance.model_copy(update={"files": listed}),
    )


async def _stored(
    media: MediaKeeper, work: RemoteWork, returned: ReturnedPictures, log: CallLog
) -> list[StoredFile]:
    count = len(returned.pictures)
    if not count:
        raise PlatformError(
            f"{returned.name}'s response contains no pictures",
            category=ErrorCategory.PROVIDER_ERROR,
            is_final=True,
        )
    if count > _MAX_PICTURES:
        raise UnusableResultError(f"it has {count} pictures; at most {_MAX_PICTURES} are supported")
    folder = attempt_folder(work)
    return [
        await media.picture(source, f"{folder}/image_{index}.png", log, size=returned.size)
        for index, source in enumerate(returned.pictures)
    ]
