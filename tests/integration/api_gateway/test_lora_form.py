"""Parsing of LoRA uploads: forms of every shape, size limits, constant memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from api_gateway.settings import GatewaySettings
from shared.settings import LoraSettings
from tests.fixtures.gateway import Gateway
from tests.fixtures.lora_api import (
    ADMIN_UPLOAD,
    DELETE,
    FINE,
    UPLOAD,
    clear,
    state,
    upload,
)
from tests.fixtures.lora_files import entries


@pytest.fixture(autouse=True)
async def _empty_store(gateway: Gateway) -> AsyncIterator[None]:
    await clear(gateway)
    yield
    await clear(gateway)


def form(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


MULTIPART = "multipart/form-data; boundary=b"
FILE = b'Content-Disposition: form-data; name="file"; filename="a.safetensors"\r\n\r\n' + FINE
FIELD = b'Content-Disposition: form-data; name="entity_type"\r\n\r\nproduct'


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (form(FILE, FIELD), MULTIPART, 201),
        (form(FIELD, FILE), MULTIPART, 201),
        (form(FILE, FIELD.replace(b"entity_type", b"more")), MULTIPART, 201),
        (b"", MULTIPART, 422),
        (form(FIELD), MULTIPART, 422),
        (form(FILE, FILE), MULTIPART, 422),
        (form(FILE, FIELD, FIELD), MULTIPART, 422),
        (form(FILE, *[FIELD.replace(b"entity_type", b"a%d" % n) for n in range(99)]),
         MULTIPART, 422),
        (form(FILE.replace(b'; filename="a.safetensors"', b"")),
         MULTIPART, 422),
        (form(FILE.replace(b"a.safe", b"\xff.safe")), MULTIPART, 422),
        (form(FILE, FIELD.replace(b"product", b"\xff")), MULTIPART, 422),
        (form(FILE)[:-6], MULTIPART, 422),
        (form(FILE)[:100], MULTIPART, 422),
        (form(FILE), "multipart/form-data; boundary=" + "c" * 300, 422),
        (form(FILE), "multipart/form-data", 422),
        (b"{}", "application/json", 415),
        (FINE, "application/octet-stream", 415),
        (FINE, "", 415),
    ],
)  # fmt: skip
async def test_form_is_read_as_it_is_or_refused_whole(
    gateway: Gateway, api: httpx.AsyncClient, body: bytes, content_type: str, status: int
) -> None:
    before = await state(gateway)
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await api.post(UPLOAD, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    if status != 201:
        assert await state(gateway) == before


@pytest.mark.parametrize("path", [UPLOAD, ADMIN_UPLOAD])
async def test_file_past_the_limit_is_413(gateway: Gateway, path: str) -> None:
    before = await state(gateway)
    async with gateway.client(lora=LoraSettings(max_bytes=len(FINE) - 1)) as api:
        answer = await upload(api, path=path)
    assert answer.status_code == 413
    assert f"{len(FINE) - 1} bytes" in answer.json()["detail"]
    assert await state(gateway) == before


async def test_other_routes_keep_their_limit(gateway: Gateway) -> None:
    async with gateway.client(settings=GatewaySettings(max_json_bytes=1000)) as api:
        assert (await upload(api)).status_code == 201
        deletion = {"partial_path": "x" * 2000}
        assert (await api.request("DELETE", DELETE, json=deletion)).status_code == 413


async def test_form_past_what_the_route_takes_is_413_at_once(api: httpx.AsyncClient) -> None:
    async def none() -> AsyncIterator[bytes]:
        raise AssertionError("the body is not asked for")
        yield b""

    headers = {"Content-Type": MULTIPART, "Content-Length": str(2**30)}
    answer = await api.post(UPLOAD, content=none(), headers=headers)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_form_that_never_ends_is_413(gateway: Gateway) -> None:
    """The form declares no length, and its bytes are in no file."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="more"; filename="x"\r\n\r\n'
        while True:
            sent += 65536
            yield bytes(65536)

    before = await state(gateway)
    async with gateway.client(lora=LoraSettings(max_bytes=2**20)) as api:
        answer = await api.post(UPLOAD, content=endless(), headers={"Content-Type": MULTIPART})
    assert answer.status_code == 413
    assert sent < 3 * 2**20
    assert await state(gateway) == before


async def test_memory_stays_flat_under_a_large_upload(
    gateway: Gateway, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    """192 MiB of zeros, sparse on disk, go through the whole path."""
    rank, width = 1024, 48 * 1024
    header, size = entries(
        {"blocks.0.a.lora_A.weight": ("F16", [rank, width]),
         "blocks.0.a.lora_B.weight": ("F16", [width, rank])}
    )  # fmt: skip
    text = json.dumps(header).encode()
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size)
    await upload(api)  # memory that is allocated once
    process, most = psutil.Process(), 0
    before = process.memory_info().rss

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    with path.open("rb") as file:
        answer = await api.post(UPLOAD, files={"file": file}, timeout=120)
    watching.cancel()
    assert answer.status_code == 201, answer.text
    assert answer.json()["file_size"] == path.stat().st_size
    assert most - before <= 64 * 1024 * 1024
