"""LoRA uploads, list and bin: what is admitted is kept once, what is refused leaves nothing."""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.broken_store import BrokenStore
from tests.fixtures.gateway import Gateway
from tests.fixtures.lora_api import (
    ADMIN_UPLOAD,
    DELETE,
    FINE,
    clear,
    faults,
    rows,
    state,
    upload,
)
from tests.fixtures.lora_files import FLUX_MODULE, lora_bytes, pair


@pytest.fixture(autouse=True)
async def _empty_store(gateway: Gateway) -> AsyncIterator[None]:
    await clear(gateway)
    yield
    await clear(gateway)


async def test_upload_is_answered_as_the_reference_does(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    answer = await upload(api, entity_type="identities")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body.pop("upload_timestamp").endswith("Z")
    assert body == {
        "file_path": "/data/models/loras/identities/dress.safetensors",
        "partial_path": "identities/dress.safetensors",
        "filename": "dress.safetensors",
        "file_size": len(FINE),
    }
    [row] = await rows(gateway)
    assert (row.rank, row.base_model, row.target_modules) == (4, "FLUX.1", ["attn.to_q"])
    assert row.sha256 == hashlib.sha256(FINE).hexdigest()
    assert await gateway.resources.objects.get(f"loras/sha256/{row.sha256}") == FINE


async def test_administrators_upload_says_the_folder_and_takes_faces(
    api: httpx.AsyncClient,
) -> None:
    answer = await upload(api, path=ADMIN_UPLOAD, entity_type="faces")
    assert answer.status_code == 201, answer.text
    assert answer.json()["entity_type"] == "faces"
    assert answer.json()["partial_path"] == "faces/dress.safetensors"


async def test_folder_is_optional(api: httpx.AsyncClient) -> None:
    for fields in ({}, {"entity_type": ""}):
        answer = await upload(api, **fields)
        assert answer.json()["partial_path"].startswith("no_type_provided/dress")


async def test_equal_names_are_versioned_whatever_their_capitals(api: httpx.AsyncClient) -> None:
    names = ["dress.safetensors", "dress.safetensors", "DRESS.safetensors", "dress_v2.safetensors"]
    answers = [await upload(api, name=name, entity_type="product") for name in names]
    assert [answer.json()["partial_path"] for answer in answers] == [
        "product/dress.safetensors",
        "product/dress_v2.safetensors",
        "product/DRESS_v3.safetensors",
        "product/dress_v2_v2.safetensors",
    ]
    elsewhere = await upload(api, entity_type="styles")
    assert elsewhere.json()["partial_path"] == "styles/dress.safetensors"


async def test_uploads_that_race_for_a_name_get_one_each(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    answers = await asyncio.gather(*(upload(api) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["partial_path"] for answer in answers}) == 8
    assert len(await gateway.resources.objects.list("loras/")) == 1


async def test_equal_name_is_409_where_it_may_not_be_versioned(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    assert (await upload(api, use_safe_filename="false")).status_code == 201
    before = await state(gateway)
    other = lora_bytes(pair(rank=8))
    answer = await upload(api, other, name="Dress.safetensors", use_safe_filename="false")
    assert answer.status_code == 409
    assert answer.json()["code"] == "duplicate_filename"
    assert await state(gateway) == before


async def test_name_is_free_again_once_its_file_is_in_the_bin(api: httpx.AsyncClient) -> None:
    for _ in range(2):
        answer = await upload(api, use_safe_filename="false")
        path = answer.json()["partial_path"]
        assert path == "no_type_provided/dress.safetensors"
        deleted = await api.request("DELETE", DELETE, json={"partial_path": path})
        assert deleted.status_code == 200


_DORA = {f"{FLUX_MODULE}.dora_scale": ("BF16", [64, 1])}
_BIAS = {f"{FLUX_MODULE}.lora_B.bias": ("BF16", [64])}
_EXPRESSION = {
    "lora_adapter_metadata": '{"transformer.lora_alpha": 4, "transformer.alpha_pattern": {".*": 2}}'
}

BROKEN = [
    ("file", {"content": b""}, "shorter than 8"),
    ("file", {"content": FINE[:-1]}, "ends before"),
    ("file", {"content": FINE + b"x"}, "1 bytes after"),
    ("file", {"content": lora_bytes(fill=0xFF)}, "NaN"),
    ("file", {"content": lora_bytes({"w": ("F32", [2])})}, "not part of a LoRA"),
    ("file", {"content": lora_bytes(pair() | _DORA)}, "is a DoRA"),
    ("file", {"content": lora_bytes(pair(), _EXPRESSION)}, "name layers in full"),
    ("file", {"content": lora_bytes(pair() | _BIAS, fill=1)}, "is not applied here"),
    (
        "file",
        {"content": lora_bytes(pair() | pair("transformer.odd"), fill=1)},
        "not a layer of FLUX",
    ),
    ("file", {"name": "dress.zip"}, ".safetensors, .ckpt, .pt, .pth, .bin"),
    ("file", {"name": "../dress.safetensors"}, "plain file name"),
    ("file", {"name": "..%2fdress.safetensors"}, "plain file name"),
    ("file", {"name": "/etc/dress.safetensors"}, "plain file name"),
    ("file", {"name": "a\\dress.safetensors"}, "plain file name"),
    ("file", {"name": "nul.safetensors"}, "plain file name"),
    ("file", {"name": "dress.safetensors."}, "plain file name"),
    ("file", {"name": "d" * 300 + ".safetensors"}, "longer than 200"),
    ("entity_type", {"entity_type": "faces"}, "clothes, identities, product, styles"),
    ("entity_type", {"entity_type": "../x"}, "must be one of"),
    ("entity_type", {"entity_type": "no_type_provided"}, "must be one of"),
    ("use_safe_filename", {"use_safe_filename": "perhaps"}, "boolean"),
    ("entity_type", {"entity_type": "x" * 5000}, "longer than 4096"),
]


@pytest.mark.parametrize(("field", "changes", "message"), BROKEN)
async def test_refused_upload_names_the_field_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, field: str, changes: dict[str, Any], message: str
) -> None:
    before = await state(gateway)
    found = faults(await upload(api, **changes))
    assert message in found[f"body.{field}"]
    assert await state(gateway) == before


async def test_repeat_with_the_same_key_gets_the_first_answer(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    key = str(uuid.uuid4())
    first = await upload(api, key=key, entity_type="styles")
    again = await upload(api, key=key, entity_type="styles")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    before = await state(gateway)
    for changes in (
        {"content": lora_bytes(pair(rank=8))},
        {"name": "other.safetensors"},
        {"entity_type": "product"},
        {"use_safe_filename": "false"},
    ):
        fields: dict[str, Any] = {"entity_type": "styles"} | changes
        refused = await upload(api, key=key, **fields)
        assert refused.status_code == 422
        assert refused.json()["code"] == "idempotency_key_reused"
    assert await state(gateway) == before


async def test_racing_repeats_make_one_lora(gateway: Gateway, api: httpx.AsyncClient) -> None:
    key = str(uuid.uuid4())
    answers = await asyncio.gather(*(upload(api, key=key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert len(await rows(gateway)) == 1


async def test_refused_upload_leaves_its_key_free(api: httpx.AsyncClient) -> None:
    key = str(uuid.uuid4())
    assert (await upload(api, b"broken", key=key)).status_code == 422
    assert (await upload(api, key=key)).status_code == 201


async def test_upload_lies_in_the_process_own_folder_and_goes(
    gateway: Gateway, tmp_path: Path
) -> None:
    seen: list[Path] = []

    class Watched(BrokenStore):
        async def put_file(self, key: str, path: Path, content_type: str) -> None:
            seen.append(path)
            await self._store.put_file(key, path, content_type)

    objects = Watched(gateway.resources.objects)
    async with gateway.client(uploads=tmp_path, objects=objects) as client:
        assert (await upload(client)).status_code == 201
    assert [path.is_relative_to(tmp_path) for path in seen] == [True]
    assert list(tmp_path.iterdir()) == []
