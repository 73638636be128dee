"""The converter's activity: it stores the converted object, or refuses and stores none."""

import uuid
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from inference_worker.activities.lora_conversion import LoraConverter
from shared.contracts.lora import LoraConversion
from shared.errors import InvalidInputError
from shared.lora.inspection import inspect_lora
from tests.fakes.object_store import MemoryObjectStore
from tests.fixtures.pickles import saved, tensors

pytestmark = pytest.mark.models


def conversion(content: bytes, **changes: int) -> LoraConversion:
    fields = {"size_bytes": len(content), "max_bytes": 10**6} | changes
    return LoraConversion(conversion_id=uuid.uuid4(), **fields)


async def run(request: LoraConversion, content: bytes) -> MemoryObjectStore:
    objects = MemoryObjectStore()
    await objects.put(request.source_key, content, "application/octet-stream")
    await ActivityEnvironment().run(LoraConverter(objects).convert_lora, request)
    return objects


async def test_pickle_becomes_a_lora_file(tmp_path: Path) -> None:
    content = saved(tensors())
    request = conversion(content)
    objects = await run(request, content)
    await objects.get_file(request.result_key, tmp_path / "lora")
    assert inspect_lora(tmp_path / "lora").rank == 4


@pytest.mark.parametrize("difference", [-1, 1])
async def test_object_of_another_size_than_was_uploaded_is_refused(difference: int) -> None:
    content = saved(tensors())
    request = conversion(content, size_bytes=len(content) + difference)
    with pytest.raises(InvalidInputError, match="not the file that was uploaded"):
        await run(request, content)


async def test_missing_object_is_refused() -> None:
    request = conversion(b"")
    with pytest.raises(InvalidInputError, match="not the file that was uploaded"):
        await ActivityEnvironment().run(LoraConverter(MemoryObjectStore()).convert_lora, request)
