"""A fetcher of remote pictures that a test controls."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from shared.contracts.attempts import StoredFile
from shared.contracts.inputs import FetchedInputs, FetchInputs


async def fetch_all(request: FetchInputs) -> dict[str, str]:
    """Find no fault in any URL, like a working internet."""
    return {}


class FakeFetcher:
    """A fetcher that keeps every request; `act` returns the faults of URLs, or fails by raising."""

    def __init__(self) -> None:
        self.requests: list[FetchInputs] = []
        self.act: Callable[[FetchInputs], Awaitable[dict[str, str]]] = fetch_all

    @activity.defn(name="fetch_inputs")
    async def fetch_inputs(self, request: FetchInputs) -> FetchedInputs:
        self.requests.append(request)
        faults = await self.act(request)
        keys = {
            url: f"trainings/{request.task_id}/inputs/{url.rpartition('/')[2]}"
            for url in request.urls
            if url not in faults
        }
        files = [
            StoredFile(key=key, size_bytes=1, content_type="image/png", sha256="0" * 64)
            for key in keys.values()
        ]
        return FetchedInputs(keys=keys, files=files, faults=faults)
