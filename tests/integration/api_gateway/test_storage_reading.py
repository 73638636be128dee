"""Pictures are read whole, in parts, or not again, and here or elsewhere."""

import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from api_gateway.settings import GatewaySettings
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.pictures import noise
from tests.fixtures.storage import BLUE, IMAGES, RED, at, save


@pytest.fixture
async def large(tenant: httpx.AsyncClient, folder: str) -> bytes:
    """A picture of several chunks, saved under the folder's own name."""
    content = noise(500)
    assert (await save(tenant, folder, content)).status_code == 201
    return content


async def test_large_picture_comes_whole(
    tenant: httpx.AsyncClient, folder: str, large: bytes
) -> None:
    read = await tenant.get(at(folder))
    assert read.content == large
    assert read.headers["content-length"] == str(len(large))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=1-700000", 1, 700_000),
        ("bytes=-5", -5, -1),
        ("bytes=600000-", 600_000, -1),
        ("bytes=700000-9999999", 700_000, -1),
    ],
)
async def test_part_of_a_picture(
    tenant: httpx.AsyncClient, folder: str, large: bytes, asked: str, first: int, last: int
) -> None:
    size = len(large)
    first, last = first % size, last % size

    part = await tenant.get(at(folder), headers={"Range": asked})

    assert (part.status_code, part.content) == (206, large[first : last + 1])
    assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert part.headers["content-length"] == str(last - first + 1)
    assert part.headers["content-type"] == "image/png"


async def test_part_that_there_is_not_is_416(tenant: httpx.AsyncClient, folder: str) -> None:
    await save(tenant, folder)
    answer = await tenant.get(at(folder), headers={"Range": f"bytes={len(RED)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(RED)}"


async def test_conditions_are_kept(tenant: httpx.AsyncClient, folder: str) -> None:
    await save(tenant, folder)
    headers = (await tenant.get(at(folder))).headers
    etag, modified = headers["etag"], headers["last-modified"]
    earlier = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)

    async def status(method: str, **asked: str) -> int:
        named = {name.replace("_", "-"): value for name, value in asked.items()}
        answer = await tenant.request(method, at(folder), headers=named)
        if answer.status_code == 304:
            assert (answer.content, answer.headers["etag"]) == (b"", etag)
            assert "content-length" not in answer.headers
        return answer.status_code

    for method in ("GET", "HEAD"):
        assert await status(method, If_None_Match=etag) == 304
        assert await status(method, If_None_Match=f'"x", W/{etag}') == 304
        assert await status(method, If_None_Match="*") == 304
        assert await status(method, If_None_Match='"x"') == 200
        assert await status(method, If_Modified_Since=modified) == 304
        assert await status(method, If_Modified_Since=earlier) == 200
        assert await status(method, If_None_Match='"x"', If_Modified_Since=modified) == 200
    assert await status("HEAD", Range="bytes=0-1") == 200
    assert await status("GET", Range="bytes=0-1", If_Range=etag) == 206
    assert await status("GET", Range="bytes=0-1", If_Range='"x"') == 200
    assert await status("GET", Range="bytes=0-1", If_None_Match=etag) == 304
    assert await status("GET", Range="bytes=0-1,3-4") == 200


async def test_reader_is_sent_to_the_object_store(gateway: Gateway, folder: str) -> None:
    settings = gateway.resources.settings.model_copy(update={"image_redirect": "presigned"})
    async with gateway.client(TENANT_KEY, settings=settings) as client, httpx.AsyncClient() as web:
        saved = await save(client, f"{folder}/a b.png")
        answer = await client.get(at(f"{folder}/a b.png"))
        assert answer.status_code == 302
        assert (await web.get(answer.headers["location"])).content == RED
        known = {"If-None-Match": f'"{hashlib.sha256(RED).hexdigest()}"'}
        assert (await client.get(at(f"{folder}/a b.png"), headers=known)).status_code == 304
        assert (await client.head(at(f"{folder}/a b.png"))).status_code == 200
        assert (await client.get(at(f"{folder}/none.png"))).status_code == 404
    assert saved.json()["url"] == f"{IMAGES}/{folder}/a%20b.png"


async def test_reader_is_sent_to_the_cdn(gateway: Gateway, folder: str) -> None:
    settings = gateway.resources.settings.model_copy(
        update={"image_redirect": "cdn", "cdn_base_url": "https://cdn.example/pictures/"}
    )
    path = f"{folder}/a b.png"
    async with gateway.client(TENANT_KEY, settings=settings) as client:
        saved = await save(client, path)
        answer = await client.get(at(path))
        # Each picture has a URL of its own: what a CDN keeps of it is true for ever.
        replaced = await save(client, path, BLUE)
    content_key = saved.json()["url"].removeprefix("https://cdn.example/pictures/")
    assert content_key.startswith("saved_pictures/")
    assert content_key.endswith("/a%20b.png")
    assert (answer.status_code, answer.headers["location"]) == (302, saved.json()["url"])
    assert replaced.json()["url"] != saved.json()["url"]


def test_cdn_without_its_address_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="cdn_base_url"):
        GatewaySettings(image_redirect="cdn")
