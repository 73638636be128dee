"""Results behind URLs: fetched from a real server, stored in a real object store."""

import asyncio
import hashlib
import io
import os
import tracemalloc
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from provider_worker.calls import CallLog
from provider_worker.downloads import MediaLimits
from provider_worker.media import MediaKeeper
from shared.contracts.enums import ErrorCategory, ProviderType
from shared.errors import PlatformError
from shared.settings import VideoLimits
from shared.storage.object_store import ObjectStore
from shared.storage.s3 import S3ObjectStore
from tests.fakes.broken_store import BrokenStore
from tests.fixtures.gateway import storage_settings
from tests.fixtures.pictures import picture
from tests.fixtures.raw_server import Server, listening, reply
from tests.fixtures.remote_work import LOCAL, until_true
from tests.fixtures.servers import Servers
from tests.fixtures.videos import mp4, webm

_MIB = 1024 * 1024


@pytest.fixture
async def s3(servers: Servers) -> AsyncIterator[S3ObjectStore]:
    opened = S3ObjectStore(storage_settings(servers))
    yield opened
    opened.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with listening() as opened:
        yield opened


@pytest.fixture
def stem() -> str:
    return f"videos/{uuid.uuid4()}/a1/video"


@pytest.fixture
def log() -> CallLog:
    return CallLog(ProviderType.FAL_STANDARD, 1)


def keeper(objects: ObjectStore, folder: Path, **limits: Any) -> MediaKeeper:
    files = VideoLimits(**{"folder": folder / "downloads"} | limits)
    return MediaKeeper(objects, LOCAL, MediaLimits(files=files))


def held_files(folder: Path) -> list[str]:
    """Return the files of a folder: those with names, and nameless ones that are open."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    targets = [str(link.readlink()) for link in links if os.path.lexists(link)]
    nameless = [target for target in targets if target.startswith(str(folder))]
    return nameless + [str(path) for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("content", "suffix", "content_type"),
    [(mp4(7 * _MIB), ".mp4", "video/mp4"), (webm(), ".webm", "video/webm")],
)
async def test_video_is_stored_unchanged_with_the_type_of_its_content(
    server: Server,
    s3: S3ObjectStore,
    tmp_path: Path,
    stem: str,
    log: CallLog,
    content: bytes,
    suffix: str,
    content_type: str,
) -> None:
    server.answers["/film.mov?token=secret"] = reply(content, Content_Type="text/html")
    file = await keeper(s3, tmp_path).video(server.url("/film.mov?token=secret"), stem, log)

    assert (file.key, file.content_type) == (stem + suffix, content_type)
    assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    found = await s3.head(file.key)
    assert found is not None
    assert (found.size_bytes, found.content_type) == (len(content), content_type)
    assert await s3.get(file.key) == content
    assert [(each.status, each.url) for each in log.requests] == [(200, server.url("/film.mov"))]
    assert held_files(tmp_path) == []


async def test_large_video_is_never_in_memory(
    server: Server, s3: S3ObjectStore, tmp_path: Path, stem: str, log: CallLog
) -> None:
    size_bytes, block = 24 * _MIB, bytes(_MIB)
    head = mp4(size_bytes)[:-size_bytes]

    async def film(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(head, length=len(head) + size_bytes))
        for _ in range(size_bytes // _MIB):
            writer.write(block)
            await writer.drain()

    server.answers["/film"] = film
    tracemalloc.start()
    try:
        file = await keeper(s3, tmp_path).video(server.url("/film"), stem, log)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.size_bytes == len(head) + size_bytes
    # One part of the upload at a time, some copies of it.
    assert peak_bytes < 20 * _MIB, peak_bytes / _MIB


@pytest.mark.parametrize(
    ("content", "told", "category"),
    [
        (b"<!DOCTYPE html>", "neither an MP4 nor a WebM", ErrorCategory.PROVIDER_ERROR),
        (picture("PNG"), "it is image/png and no video", ErrorCategory.VALIDATION),
        (mp4(100)[:-50], "truncated", ErrorCategory.PROVIDER_ERROR),
        (mp4(1000), "more than 500 bytes", ErrorCategory.VALIDATION),
    ],
    ids=["html", "picture", "truncated", "large"],
)
async def test_no_video_is_final_and_nothing_is_stored(
    server: Server,
    s3: S3ObjectStore,
    tmp_path: Path,
    stem: str,
    log: CallLog,
    content: bytes,
    told: str,
    category: ErrorCategory,
) -> None:
    server.answers["/film"] = reply(content, Content_Type="video/mp4")
    with pytest.raises(PlatformError, match=told) as caught:
        await keeper(s3, tmp_path, max_bytes=500).video(server.url("/film"), stem, log)
    assert (caught.value.category, caught.value.is_final) == (category, True)
    assert await s3.list(stem) == []
    assert held_files(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "category", "is_final"),
    [
        (reply(mp4(10), length=5000), ErrorCategory.NETWORK, False),
        (reply(status="503 Busy"), ErrorCategory.NETWORK, False),
        (reply(status="429 Slow"), ErrorCategory.RATE_LIMIT, False),
        (reply(status="404 Gone"), ErrorCategory.PROVIDER_ERROR, True),
        (reply(status="302 F", Location="http://10.0.0.1/"), ErrorCategory.VALIDATION, True),
    ],
    ids=["cut", "503", "429", "expired", "private"],
)
async def test_failed_download_is_retried_where_that_can_help(
    server: Server,
    s3: S3ObjectStore,
    tmp_path: Path,
    stem: str,
    log: CallLog,
    answer: bytes,
    category: ErrorCategory,
    *,
    is_final: bool,
) -> None:
    server.answers["/film"] = answer
    for store in (keeper(s3, tmp_path).video, keeper(s3, tmp_path).any_file):
        with pytest.raises(PlatformError) as caught:
            await store(server.url("/film"), stem, log)
        assert (caught.value.category, caught.value.is_final) == (category, is_final)
    assert held_files(tmp_path) == []


async def test_cancelled_download_leaves_nothing_on_disk_and_frees_its_place(
    server: Server, s3: S3ObjectStore, tmp_path: Path, stem: str, log: CallLog
) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(mp4(3 * _MIB), length=100 * _MIB))
        await reader.read()

    server.answers |= {"/endless": endless, "/film": reply(mp4())}
    kept = keeper(s3, tmp_path, max_fetches=2)  # one for each tenant
    storing = asyncio.create_task(kept.video(server.url("/endless"), stem, log))
    await until_true(lambda: held_files(tmp_path))
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing
    assert held_files(tmp_path) == []
    assert await s3.list(stem) == []
    assert (await kept.video(server.url("/film"), stem, log)).key == f"{stem}.mp4"


async def test_failed_upload_leaves_nothing_on_disk(
    server: Server, s3: S3ObjectStore, tmp_path: Path, stem: str, log: CallLog
) -> None:
    server.answers["/film"] = reply(mp4())
    broken: Any = BrokenStore(s3, "put_from")
    with pytest.raises(PlatformError) as caught:
        await keeper(broken, tmp_path).video(server.url("/film"), stem, log)
    assert (caught.value.category, caught.value.is_final) == (ErrorCategory.STORAGE, False)
    assert held_files(tmp_path) == []


async def test_folder_that_cannot_be_used_is_told(
    server: Server, s3: S3ObjectStore, tmp_path: Path, stem: str, log: CallLog
) -> None:
    (tmp_path / "downloads").write_text("a file")
    with pytest.raises(PlatformError, match="cannot be created: File exists") as caught:
        await keeper(s3, tmp_path).video(server.url("/film"), stem, log)
    assert caught.value.category == ErrorCategory.RESOURCE
    assert server.requests == []


@pytest.mark.parametrize(
    ("content", "suffix", "content_type"),
    [
        (b'{"masks": []}', ".json", "application/json"),
        (picture("WEBP"), ".webp", "image/webp"),
        (mp4(), ".mp4", "video/mp4"),
        (b"<script>alert(1)</script>", ".bin", "application/octet-stream"),
        (b"", ".bin", "application/octet-stream"),
    ],
)
async def test_any_file_is_stored_unchanged_with_the_type_of_its_content(
    server: Server,
    s3: S3ObjectStore,
    tmp_path: Path,
    stem: str,
    log: CallLog,
    content: bytes,
    suffix: str,
    content_type: str,
) -> None:
    server.answers["/a.html"] = reply(content, Content_Type="text/html")
    file = await keeper(s3, tmp_path).any_file(server.url("/a.html"), stem, log)
    assert (file.key, file.content_type) == (stem + suffix, content_type)
    found = await s3.head(file.key)
    assert found is not None
    assert found.content_type == content_type
    assert await s3.get(file.key) == content


async def test_picture_is_resampled_to_an_exact_size(
    server: Server, s3: S3ObjectStore, tmp_path: Path, stem: str, log: CallLog
) -> None:
    server.answers["/a.jpg"] = reply(picture("JPEG"))
    sources = (server.url("/a.jpg"), picture("WEBP"), picture("PNG"))
    for source in sources:
        file = await keeper(s3, tmp_path).picture(source, f"{stem}.png", log, size=(31, 17))
        stored = Image.open(io.BytesIO(await s3.get(file.key)))
        assert (stored.format, stored.size) == ("PNG", (31, 17))
    assert len(log.requests) == 1
