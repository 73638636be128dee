"""The object store on a real S3 server."""

import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_stack.stack import LocalStack
from shared.errors import ObjectNotFoundError, StorageError
from shared.settings import StorageSettings
from shared.storage.s3 import S3ObjectStore
from tests.fixtures.gateway import storage_settings


@pytest.fixture
async def store(servers: LocalStack) -> AsyncIterator[S3ObjectStore]:
    opened = S3ObjectStore(storage_settings(servers))
    yield opened
    opened.close()


@pytest.fixture
def folder() -> str:
    return f"tests/{uuid.uuid4()}"


async def test_object_comes_back_as_it_went_in(store: S3ObjectStore, folder: str) -> None:
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
async def test_file_comes_back_as_it_went_in(
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


async def test_objects_are_listed_in_order_and_deleted(store: S3ObjectStore, folder: str) -> None:
    for name in ("b", "a", "c/d"):
        await store.put(f"{folder}/{name}", b"x", "text/plain")

    assert [item.key for item in await store.list(folder)] == [
        f"{folder}/{name}" for name in ("a", "b", "c/d")
    ]
    await store.delete(f"{folder}/a")
    await store.delete(f"{folder}/a")
    assert await store.head(f"{folder}/a") is None


async def test_missing_object_is_told_apart_from_an_outage(
    store: S3ObjectStore, folder: str
) -> None:
    with pytest.raises(ObjectNotFoundError, match="no object"):
        await store.get(f"{folder}/none")
    assert await store.is_reachable()
    away = S3ObjectStore(StorageSettings(endpoint="127.0.0.1:9"))
    with pytest.raises(StorageError):
        await away.get("a")
    away.close()
