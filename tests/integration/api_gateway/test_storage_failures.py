"""What is refused or fails leaves neither object nor row, and never half a picture."""

import hashlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session

from tests.fakes.broken_store import BrokenStore
from tests.fixtures.gateway import ADMIN_KEY, Gateway
from tests.fixtures.pictures import noise, picture
from tests.fixtures.storage import BLUE, RED, at, everything, object_key, save


async def test_what_is_no_picture_is_refused_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    before = await everything(gateway)
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    for content, declared in (
        (svg, "image/png"),
        (picture("GIF"), "image/gif"),
        (b"", "image/png"),
        (b"GIF89a" + RED, "image/png"),
        (RED, "text/html"),
        (RED, "video/mp4"),
    ):
        answer = await save(api, folder, content, declared)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    cut = await save(api, folder, RED[:-20])
    assert (cut.status_code, cut.json()["detail"][0]["loc"]) == (422, ["body", "file"])
    assert await everything(gateway) == before


async def test_form_that_is_none_is_refused(api: httpx.AsyncClient, folder: str) -> None:
    url = at(folder)
    assert (await api.post(url, content=RED)).status_code == 415
    assert (await api.post(url, json={"file": "x"})).status_code == 415
    for request in (
        {"files": {"picture": RED}},
        {"data": {"file": "text"}, "files": {"x": RED}},
        {"content": b"", "headers": {"content-type": "multipart/form-data; boundary=x"}},
    ):
        answer = await api.post(url, **request)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body", "file"]
    for request in (
        {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"nonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}},
        {"files": [("file", RED), ("file", RED)]},
    ):
        answer = await api.post(url, **request)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["body"]


async def test_too_large_is_413_and_leaves_nothing(gateway: Gateway, folder: str) -> None:
    before = await everything(gateway)
    content = noise(60)

    async def sent_in_pieces() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield content
        yield b"\r\n--x--\r\n"

    res = gateway.resources
    for changes in (
        {"pictures": res.pictures.model_copy(update={"max_bytes": len(content) - 1})},
        {"settings": res.settings.model_copy(update={"max_body_bytes": len(content)})},
    ):
        async with gateway.client(**changes) as client:
            assert (await save(client, folder, content)).status_code == 413
            pieces = await client.post(
                at(folder),
                content=sent_in_pieces(),
                headers={"content-type": "multipart/form-data; boundary=x"},
            )
            assert pieces.status_code == 413
    few = res.pictures.model_copy(update={"max_pixels": 63})
    async with gateway.client(pictures=few) as client:
        assert (await save(client, folder, RED)).status_code == 422
    assert await everything(gateway) == before


async def test_request_without_a_key_is_refused_before_its_body_is_read(
    gateway: Gateway, folder: str
) -> None:
    read: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(1)
        yield RED

    async with gateway.client(None) as client:
        answer = await client.post(
            at(folder), content=body(), headers={"content-type": "multipart/form-data; boundary=x"}
        )
    assert answer.status_code == 401
    assert read == []


class NoCommit(Session):
    """The database goes away at the last moment."""


@event.listens_for(NoCommit, "before_commit")
def _go_away(_session: Session) -> None:
    raise ConnectionError("the database is gone")


def without_commit(gateway: Gateway) -> Any:
    bind = gateway.resources.sessions.kw["bind"]
    return async_sessionmaker(bind, expire_on_commit=False, sync_session_class=NoCommit)


def broken(gateway: Gateway, *methods: str) -> BrokenStore:
    return BrokenStore(gateway.resources.objects, *methods)


@pytest.mark.parametrize("part", ["put_from", "commit"])
async def test_save_that_fails_leaves_neither_object_nor_row(
    gateway: Gateway, folder: str, part: str
) -> None:
    before = await everything(gateway)
    change: dict[str, Any] = (
        {"sessions": without_commit(gateway)}
        if part == "commit"
        else {"objects": broken(gateway, part)}
    )
    key = {"Idempotency-Key": str(uuid.uuid4())}
    async with gateway.client(ADMIN_KEY, **change) as client:
        answer = await save(client, folder, headers=key)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert await everything(gateway) == before

    async with gateway.client(ADMIN_KEY) as client:
        assert (await save(client, folder, headers=key)).status_code == 201


@pytest.mark.parametrize("part", ["put_from", "commit"])
async def test_save_that_fails_leaves_what_was_there(
    gateway: Gateway, api: httpx.AsyncClient, folder: str, part: str
) -> None:
    await save(api, folder, RED)
    before = await everything(gateway)
    change: dict[str, Any] = (
        {"sessions": without_commit(gateway)}
        if part == "commit"
        else {"objects": broken(gateway, part)}
    )
    async with gateway.client(ADMIN_KEY, **change) as client:
        assert (await save(client, folder, BLUE)).status_code == 503
    assert await everything(gateway) == before
    assert (await api.get(at(folder))).content == RED


@pytest.mark.parametrize("part", ["open", "chunks"])
async def test_picture_that_cannot_be_read_is_an_error_not_half_a_picture(
    gateway: Gateway, api: httpx.AsyncClient, folder: str, part: str
) -> None:
    await save(api, folder)
    async with gateway.client(ADMIN_KEY, objects=broken(gateway, part)) as client:
        answer = await client.get(at(folder))
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency_down")


async def test_object_that_is_not_what_its_row_says_is_not_served(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    await save(api, folder, RED)
    content_key, objects = await object_key(gateway, folder), gateway.resources.objects
    await objects.put(content_key, RED + b"x", "image/png")
    assert (await api.get(at(folder))).status_code == 503
    digest = {"sha256": hashlib.sha256(BLUE).hexdigest()}
    await objects.put(content_key, RED, "image/png", digest)
    assert (await api.get(at(folder))).status_code == 503
    await objects.delete(content_key)
    assert (await api.get(at(folder))).status_code == 404
    assert (await save(api, folder, RED)).status_code == 201
    assert (await api.get(at(folder))).content == RED
