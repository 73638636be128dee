"""The object store on a real S3 server, and its in-memory fake."""

import asyncio
import io
import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.contracts.folders import PROBES_FOLDER
from shared.errors import ObjectNotFoundError, StorageError
from shared.settings import StorageSettings
from shared.storage.conditional_writes import honours_conditional_writes
from shared.storage.object_store import ObjectStore
from shared.storage.s3 import S3ObjectStore
from tests.fakes.broken_store import BrokenStore
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.gateway import storage_settings
from tests.fixtures.lost_response import losing_the_first_response
from tests.fixtures.servers import Servers


@pytest.fixture
async def s3(servers: Servers) -> AsyncIterator[S3ObjectStore]:
    opened = S3ObjectStore(storage_settings(servers))
    yield opened
    opened.close()


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest, s3: S3ObjectStore) -> ObjectStore:
    return s3 if request.param == "s3" else MemoryObjectStore()


@pytest.fixture
def folder() -> str:
    return f"tests/{uuid.uuid4()}"


async def test_object_round_trips(store: ObjectStore, folder: str) -> None:
    content = bytes(range(256)) * 4096
    await store.put(f"{folder}/a.png", content, "image/png", {"report": '{"ssim": 0.9}'})

    assert await store.get(f"{folder}/a.png") == content
    found = await store.head(f"{folder}/a.png")
    assert found is not None
    assert (found.size_bytes, found.content_type) == (len(content), "image/png")
    assert found.metadata["report"] == '{"ssim": 0.9}'
    part = [chunk async for chunk in store.stream(f"{folder}/a.png", offset=255, length=3)]
    assert b"".join(part) == b"\xff\x00\x01"


@pytest.mark.parametrize("size_bytes", [0, 5, 11 * 1024 * 1024])
async def test_file_round_trips(
    store: S3ObjectStore, folder: str, tmp_path: Path, size_bytes: int
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(random.Random(7).randbytes(size_bytes))
    await store.put_file(f"{folder}/large", source, "application/octet-stream")
    await store.get_file(f"{folder}/large", target)
    assert target.read_bytes() == source.read_bytes()
    found = await store.head(f"{folder}/large")
    assert found is not None
    assert (found.size_bytes, found.content_type) == (size_bytes, "application/octet-stream")
    with pytest.raises(ObjectNotFoundError):
        await store.get_file(f"{folder}/none", target)


async def test_objects_are_listed_in_order_and_deleted(store: ObjectStore, folder: str) -> None:
    for name in ("b", "a", "c/d"):
        await store.put(f"{folder}/{name}", b"x", "text/plain")

    assert [item.key for item in await store.list(folder)] == [
        f"{folder}/{name}" for name in ("a", "b", "c/d")
    ]
    await store.delete(f"{folder}/a")
    await store.delete(f"{folder}/a")
    assert await store.head(f"{folder}/a") is None


async def test_missing_object_differs_from_an_outage(
    store: ObjectStore, s3: S3ObjectStore, folder: str
) -> None:
    with pytest.raises(ObjectNotFoundError, match="no object"):
        await store.get(f"{folder}/none")
    with pytest.raises(ObjectNotFoundError, match="no object"):
        await store.copy(f"{folder}/none", f"{folder}/copy")
    with pytest.raises(ObjectNotFoundError, match="no object"):
        async with store.open(f"{folder}/none"):
            pass
    assert await s3.is_reachable()
    away = S3ObjectStore(StorageSettings(endpoint="127.0.0.1:9"))
    with pytest.raises(StorageError):
        await away.get("a")
    away.close()


async def test_file_is_written_from_its_position(store: ObjectStore, folder: str) -> None:
    content = bytes(range(256)) * 50_000  # more than one part
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    await store.put_from(f"{folder}/a", file, len(content), "image/png", {"sha256": "abc"})

    assert await store.get(f"{folder}/a") == content
    found = await store.head(f"{folder}/a")
    assert found is not None
    assert (found.content_type, found.metadata) == ("image/png", {"sha256": "abc"})


async def test_conditional_write_creates_an_object_once(store: ObjectStore, folder: str) -> None:
    assert await store.put_new(f"{folder}/a +ü", b"first", "application/json")
    assert not await store.put_new(f"{folder}/a +ü", b"second", "text/plain")
    found = await store.head(f"{folder}/a +ü")
    assert found is not None
    assert (await store.get(found.key), found.content_type) == (b"first", "application/json")
    await store.delete(found.key)
    assert await store.put_new(f"{folder}/a +ü", b"third", "text/plain")


async def test_one_of_many_racing_writers_creates_an_object(servers: Servers, folder: str) -> None:
    stores = [S3ObjectStore(storage_settings(servers)) for _ in range(8)]

    async def race(key: str) -> list[bool]:
        writes = [
            store.put_new(key, str(place).encode(), "text/plain")
            for place, store in enumerate(stores)
        ]
        return await asyncio.gather(*writes)

    keys = [f"{folder}/{number}" for number in range(12)]
    for key, are_created in zip(keys, await asyncio.gather(*map(race, keys)), strict=True):
        assert are_created.count(True) == 1
        assert await stores[0].get(key) == str(are_created.index(True)).encode()
    for store in stores:
        store.close()


async def test_conditional_write_whose_response_was_lost_is_known_as_ones_own(
    servers: Servers, s3: S3ObjectStore, folder: str
) -> None:
    settings = storage_settings(servers)
    async with losing_the_first_response(settings.endpoint) as (endpoint, seen):
        behind = S3ObjectStore(settings.model_copy(update={"endpoint": endpoint}))
        assert await behind.put_new(f"{folder}/a", b"mine", "text/plain")
        assert seen == ["PUT", "PUT", "HEAD"]
        assert not await behind.put_new(f"{folder}/a", b"again", "text/plain")
        behind.close()
    assert await s3.get(f"{folder}/a") == b"mine"


async def test_store_is_probed_for_conditional_writes(store: ObjectStore) -> None:
    assert await honours_conditional_writes(store)
    careless: Any = _Careless(store)
    assert not await honours_conditional_writes(careless)
    assert await store.list(f"{PROBES_FOLDER}/") == []


async def test_outage_of_a_conditional_write_is_an_error() -> None:
    away = S3ObjectStore(StorageSettings(endpoint="127.0.0.1:9"))
    with pytest.raises(StorageError):
        await away.put_new("a", b"", "text/plain")
    away.close()


class _Careless(BrokenStore):
    """A store that ignores the condition."""

    async def put_new(self, key: str, content: bytes, content_type: str) -> bool:
        await self._store.put(key, content, content_type)
        return True


async def test_copy_keeps_type_and_metadata(store: ObjectStore, folder: str) -> None:
    await store.put(f"{folder}/a +ü", b"new", "image/webp", {"sha256": "abc"})
    await store.put(f"{folder}/b", b"old", "text/plain")
    await store.copy(f"{folder}/a +ü", f"{folder}/b")

    found = await store.head(f"{folder}/b")
    assert found is not None
    assert (found.size_bytes, found.content_type) == (3, "image/webp")
    assert found.metadata == {"sha256": "abc"}
    assert await store.get(f"{folder}/b") == b"new"


async def test_range_of_an_object_has_the_metadata_of_the_whole(
    store: ObjectStore, folder: str
) -> None:
    await store.put(f"{folder}/a", b"0123456789", "image/png", {"sha256": "abc"})
    async with store.open(f"{folder}/a", offset=2, length=3) as opened:
        assert b"".join([chunk async for chunk in opened.chunks]) == b"234"
    assert (opened.info.size_bytes, opened.info.metadata) == (10, {"sha256": "abc"})
    async with store.open(f"{folder}/a") as opened:
        assert opened.info.size_bytes == 10


async def test_presigned_url_opens_without_credentials(s3: S3ObjectStore, folder: str) -> None:
    await s3.put(f"{folder}/a b.png", b"picture", "image/png")
    url = s3.presigned_url(f"{folder}/a b.png", expires_s=60)
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(url)
        assert (answer.content, answer.headers["content-type"]) == (b"picture", "image/png")
        assert (await browser.get(url.partition("?")[0])).status_code == 403
        assert (await browser.get(url.replace("a%20b.png", "b.png"))).status_code == 403


async def test_presigned_url_uses_the_public_url(servers: Servers) -> None:
    settings = storage_settings(servers)
    public = settings.model_copy(update={"public_url": "https://pictures.example"})
    store = S3ObjectStore(public)
    url = store.presigned_url("a.png", expires_s=60)
    store.close()
    assert url.startswith(f"https://pictures.example/{settings.bucket}/a.png?")
