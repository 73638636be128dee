"""Datasets whose store fails, or whose activity is cancelled."""

import asyncio
from typing import Any, BinaryIO

import pytest
from PIL import Image
from temporalio.testing import ActivityEnvironment

from shared.errors import StorageError
from tests.integration.inference_worker.conftest import Datasets


class DisturbedStore:
    """The real store, but for methods that a test replaces."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


async def test_store_that_is_away_is_no_bad_image(datasets: Datasets) -> None:
    class Away(DisturbedStore):
        async def get(self, key: str) -> bytes:
            raise StorageError("object storage did not respond")

    key = await datasets.put("a.png", Image.new("RGB", (64, 64)))
    datasets.objects = Away(datasets.store)  # type: ignore[assignment]
    with pytest.raises(StorageError):
        await datasets.prepare(key)
    assert list(datasets.folder.iterdir()) == []


async def cancelled(datasets: Datasets, reached: asyncio.Event, *keys: str) -> None:
    environment = ActivityEnvironment()
    request = datasets.request(*keys)
    running = asyncio.ensure_future(environment.run(datasets.preparer.preprocess_dataset, request))
    await asyncio.wait_for(reached.wait(), 20)
    environment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 20)


async def test_cancelled_work_leaves_no_files(datasets: Datasets) -> None:
    reached = asyncio.Event()

    class Slow(DisturbedStore):
        async def get(self, key: str) -> bytes:
            content = await self._store.get(key)
            if key.endswith("2.png"):
                reached.set()
                await asyncio.Event().wait()
            return content

    keys = [await datasets.put(f"{index}.png", Image.new("RGB", (64, 64))) for index in range(3)]
    datasets.objects = Slow(datasets.store)  # type: ignore[assignment]
    await cancelled(datasets, reached, *keys)
    assert list(datasets.folder.iterdir()) == []
    assert await datasets.store.list(f"{datasets.prefix}/dataset/") == []


async def test_cancelled_upload_stops_before_the_activity_ends(datasets: Datasets) -> None:
    reached, ended = asyncio.Event(), asyncio.Event()

    class Slow(DisturbedStore):
        async def put_from(
            self, key: str, source: BinaryIO, size_bytes: int, content_type: str
        ) -> None:
            reached.set()
            try:
                while True:
                    # Fails once the upload is cancelled, as a read of the next part does.
                    source.seek(0)
                    await asyncio.to_thread(source.read, 1)
            finally:
                ended.set()

    key = await datasets.put("a.png", Image.new("RGB", (64, 64)))
    datasets.objects = Slow(datasets.store)  # type: ignore[assignment]
    await cancelled(datasets, reached, key)
    assert ended.is_set()
    assert list(datasets.folder.iterdir()) == []
    assert await datasets.store.list(f"{datasets.prefix}/dataset/") == []


async def test_an_object_that_is_named_often_is_read_once(datasets: Datasets) -> None:
    reads: list[str] = []

    class Counting(DisturbedStore):
        async def get(self, key: str) -> bytes:
            reads.append(key)
            return await self._store.get(key)

    small = Image.linear_gradient("L").convert("RGB").resize((128, 128))
    large = small.resize((256, 256))
    first, larger = await datasets.put("a.png", small), await datasets.put("b.png", large)
    broken = await datasets.put("c.png", b"no picture")
    datasets.objects = Counting(datasets.store)  # type: ignore[assignment]
    await datasets.prepare(*[first] * 20, broken, larger, broken)

    assert sorted(reads) == sorted([first, larger, broken])
    manifest = await datasets.manifest()
    assert {image.index for image in manifest.images} == {21}
    assert [(same.index, same.kept_index) for same in manifest.duplicates] == [
        (index, 21) for index in range(20)
    ]
    assert [skipped.index for skipped in manifest.skipped] == [20, 22]
