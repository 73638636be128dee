"""The cache of LoRA files: single downloads, checks, bounds, and consistency after failures."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from inference_worker.lora.files import LoraFiles
from shared.contracts.generation import LoraChoice
from shared.errors import InvalidInputError, ResourceError, StorageError
from shared.storage.object_store import OpenObject
from tests.fakes.object_store import MemoryObjectStore

_SIZE = 1000


class CountingStore(MemoryObjectStore):
    """A store that counts reads, and blocks them until released."""

    def __init__(self) -> None:
        super().__init__()
        self.num_opened = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    @asynccontextmanager
    async def open(
        self, key: str, *, offset: int = 0, length: int = 0
    ) -> AsyncIterator[OpenObject]:
        self.num_opened += 1
        async with super().open(key, offset=offset, length=length) as opened:

            async def halves() -> AsyncIterator[bytes]:
                async for chunk in opened.chunks:
                    yield chunk[: len(chunk) // 2]
                    await self.go_on.wait()
                    yield chunk[len(chunk) // 2 :]

            yield OpenObject(opened.info, halves())


@pytest.fixture
def objects() -> CountingStore:
    return CountingStore()


@pytest.fixture
def files(objects: CountingStore, tmp_path: Path) -> Iterator[LoraFiles]:
    with closing(LoraFiles(objects, tmp_path, 3 * _SIZE)) as files:
        yield files


async def _stored(objects: MemoryObjectStore, fill: int, weight: float = 1) -> LoraChoice:
    content = bytes([fill]) * _SIZE
    key = f"loras/sha256/{hashlib.sha256(content).hexdigest()}"
    await objects.put(key, content, "application/octet-stream")
    return LoraChoice(field="style_model_path", object_key=key, weight=weight)


def _names(files: LoraFiles) -> set[str]:
    return {path.name for path in files.folder.iterdir() if path.name != "lock"}


async def test_file_is_fetched_with_its_field_and_weight(
    files: LoraFiles, objects: CountingStore
) -> None:
    choice = await _stored(objects, 1, weight=0.3)
    async with files.fetched([choice]) as (lora,):
        assert lora.path.read_bytes() == b"\1" * _SIZE
        assert (lora.field, lora.sha256, lora.weight) == (choice.field, choice.sha256, 0.3)
    async with files.fetched([choice]):
        assert objects.num_opened == 1


async def test_weight_zero_fetches_nothing(files: LoraFiles, objects: CountingStore) -> None:
    async with files.fetched([await _stored(objects, 1, weight=0)]) as loras:
        assert loras == []
    assert objects.num_opened == 0


async def test_one_download_serves_all_waiting_tasks(
    files: LoraFiles, objects: CountingStore
) -> None:
    choice = await _stored(objects, 1)

    async def fetch() -> bytes:
        async with files.fetched([choice, choice]) as (lora, _):
            return lora.path.read_bytes()

    assert set(await asyncio.gather(*(fetch() for _ in range(5)))) == {b"\1" * _SIZE}
    assert objects.num_opened == 1


async def test_download_that_is_cancelled_leaves_nothing_and_the_next_one_takes_over(
    files: LoraFiles, objects: CountingStore
) -> None:
    choice = await _stored(objects, 1)
    objects.go_on.clear()

    async def fetch() -> None:
        async with files.fetched([choice]):
            pass

    first, second = asyncio.create_task(fetch()), asyncio.create_task(fetch())
    while not _names(files):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    objects.go_on.set()
    await second
    assert first.cancelled()
    assert _names(files) == {f"{choice.sha256}.safetensors"}
    assert objects.num_opened == 2


async def test_wrong_digest_is_a_storage_error_that_names_the_field(
    files: LoraFiles, objects: CountingStore
) -> None:
    choice = await _stored(objects, 1)
    await objects.put(choice.object_key, b"other" * 200, "application/octet-stream")
    with pytest.raises(StorageError, match="style_model_path: storage returned 1000 bytes"):
        async with files.fetched([choice]):
            pass
    assert _names(files) == set()
    assert files.size_bytes == 0


async def test_missing_object_is_an_input_error(files: LoraFiles) -> None:
    choice = LoraChoice(field="product_model_path", object_key="loras/sha256/" + "0" * 64, weight=1)
    with pytest.raises(InvalidInputError, match="product_model_path: its LoRA no longer exists"):
        async with files.fetched([choice]):
            pass
    assert files.size_bytes == 0


async def test_key_without_digest_never_becomes_a_path(files: LoraFiles) -> None:
    choice = LoraChoice(field="style_model_path", object_key="uploads/..", weight=1)
    with pytest.raises(InvalidInputError, match="names no digest"):
        async with files.fetched([choice]):
            pass


async def test_least_recently_used_file_is_evicted(
    files: LoraFiles, objects: CountingStore
) -> None:
    first, second, third, fourth = [await _stored(objects, fill) for fill in range(4)]
    for choice in (first, second, third, first, fourth):
        async with files.fetched([choice]):
            assert files.size_bytes <= 3 * _SIZE
    kept = {f"{choice.sha256}.safetensors" for choice in (first, third, fourth)}
    assert _names(files) == kept


async def test_file_in_use_is_never_removed(files: LoraFiles, objects: CountingStore) -> None:
    used = [await _stored(objects, fill) for fill in range(3)]
    async with files.fetched(used) as loras:
        with pytest.raises(ResourceError, match="SARTIQ_INFERENCE_LORA_DISK_BYTES"):
            async with files.fetched([await _stored(objects, 9)]):
                pass
        assert all(lora.path.exists() for lora in loras)
    async with files.fetched([await _stored(objects, 9)]):
        assert files.size_bytes == 3 * _SIZE


async def test_complete_files_survive_a_restart(objects: CountingStore, tmp_path: Path) -> None:
    choice = await _stored(objects, 1)
    with closing(LoraFiles(objects, tmp_path, 3 * _SIZE)) as files:
        async with files.fetched([choice]):
            pass
        (files.folder / f"{choice.sha256}.part").write_bytes(b"half")
    with closing(LoraFiles(objects, tmp_path, 3 * _SIZE)) as files:
        assert files.size_bytes == _SIZE
        async with files.fetched([choice]) as (lora,):
            assert lora.path.read_bytes() == b"\1" * _SIZE
        assert _names(files) == {f"{choice.sha256}.safetensors"}
    assert objects.num_opened == 1


async def test_corrupt_file_of_an_earlier_process_is_fetched_again(
    objects: CountingStore, tmp_path: Path
) -> None:
    choice = await _stored(objects, 1)
    with closing(LoraFiles(objects, tmp_path, 3 * _SIZE)) as files:
        async with files.fetched([choice]) as (lora,):
            path = lora.path
    path.write_bytes(b"\1" * (_SIZE - 1) + b"\2")
    with closing(LoraFiles(objects, tmp_path, 3 * _SIZE)) as files:
        async with files.fetched([choice]) as (lora,):
            assert lora.path.read_bytes() == b"\1" * _SIZE
    assert objects.num_opened == 2


async def test_smaller_bound_after_a_restart_removes_the_oldest(
    objects: CountingStore, tmp_path: Path
) -> None:
    old, new = await _stored(objects, 1), await _stored(objects, 2)
    with closing(LoraFiles(objects, tmp_path, 3 * _SIZE)) as files:
        async with files.fetched([old, new]) as (first, _):
            pass
        os.utime(first.path, (1, 1))
    with closing(LoraFiles(objects, tmp_path, _SIZE)) as files:
        assert _names(files) == {f"{new.sha256}.safetensors"}


def test_processes_that_share_a_folder_keep_their_own(
    objects: CountingStore, tmp_path: Path
) -> None:
    with (
        closing(LoraFiles(objects, tmp_path, _SIZE)) as one,
        closing(LoraFiles(objects, tmp_path, _SIZE)) as other,
    ):
        assert one.folder != other.folder
    with closing(LoraFiles(objects, tmp_path, _SIZE)) as again:
        assert again.folder == one.folder
