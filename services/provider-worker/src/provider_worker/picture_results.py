"""Results of work that returns pictures by URL: stored files, result fields, provenance."""

from collections.abc import Sequence

from provider_worker.adapters import ProviderResult
from provider_worker.calls import CallLog
from provider_worker.errors import UnusableResultError
from provider_worker.media import MediaKeeper
from shared.contracts.enums import ErrorCategory
from shared.contracts.provenance import FileProvenance, Provenance
from shared.contracts.submissions import RemoteWork
from shared.contracts.task_types.table import TASK_TYPES
from shared.errors import PlatformError

_MAX_PICTURES = 64


async def store_pictures(
    media: MediaKeeper, work: RemoteWork, urls: Sequence[str], log: CallLog, *, name: str
) -> ProviderResult:
    """Store pictures under the folder of the attempt.

    Args:
        media: fetches and stores.
        work: the work that they result from.
        urls: URLs or data URLs.
        log: receives the requests.
        name: of the provider, in messages.

    Raises:
        UnusableResultError: there are too many, or one exceeds our limits.
        PlatformError: there are none, or one cannot be fetched.
    """
    if not urls:
        raise PlatformError(
            f"{name}'s response contains no pictures",
            category=ErrorCategory.PROVIDER_ERROR,
            is_final=True,
        )
    if len(urls) > _MAX_PICTURES:
        raise UnusableResultError(
            f"it has {len(urls)} pictures; at most {_MAX_PICTURES} are supported"
        )
    folder = TASK_TYPES[work.task_type].attempt_folder(work.task_id, work.attempt)
    files = [
        await media.picture(url, f"{folder}/image_{index}.png", log)
        for index, url in enumerate(urls)
    ]
    keys = [file.key for file in files]
    return ProviderResult({"result_image_path": keys[0], "result_image_paths": keys}, files)


def with_files(provenance: Provenance, result: ProviderResult, seed: int | None) -> Provenance:
    """Return the provenance with the stored files; of several, the seed is not that of each."""
    files = [
        FileProvenance(
            key=file.key, sha256=file.sha256, seed=seed if len(result.files) == 1 else None
        )
        for file in result.files
    ]
    return provenance.model_copy(update={"files": files})
