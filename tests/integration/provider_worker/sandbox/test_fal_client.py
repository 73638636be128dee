"""fal's official client drives the sandbox."""

import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import fal_client
import fal_client.client
import httpx
import pytest
from PIL import Image

from provider_worker.sandbox.faults import Fault
from tests.fixtures.pictures import noisy_photo, picture
from tests.fixtures.sandbox import OpenSandbox

_KLING = "fal-ai/kling-video/v3/standard/image-to-video"


def _data_url(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def _photo_url() -> str:
    buffer = io.BytesIO()
    noisy_photo().save(buffer, "PNG")
    return _data_url(buffer.getvalue())


@asynccontextmanager
async def _opened(key: str) -> AsyncIterator[fal_client.AsyncClient]:
    client = fal_client.AsyncClient(key=key)
    http = await client._client
    yield client
    await http.aclose()


@pytest.fixture
async def client(
    sandbox: OpenSandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[fal_client.AsyncClient]:
    monkeypatch.setattr(fal_client.client, "QUEUE_URL_FORMAT", f"{sandbox.url}/")
    monkeypatch.setattr(fal_client.client, "MAX_ATTEMPTS", 1)
    async with _opened(sandbox.key) as opened:
        yield opened


async def _file(http: httpx.AsyncClient, url: str) -> bytes:
    response = await http.get(url, headers={"authorization": ""})
    assert response.status_code == 200
    return response.content


async def test_a_generation_becomes_pictures_of_its_size(
    sandbox: OpenSandbox, client: fal_client.AsyncClient, http: httpx.AsyncClient
) -> None:
    sandbox.play(Fault(on="work", polls=3, logs=["step 1"]))
    handle = await client.submit(
        "fal-ai/flux/dev",
        {"prompt": "a hat", "image_size": {"width": 96, "height": 64}, "seed": 3, "num_images": 2},
    )
    seen = [status async for status in handle.iter_events(with_logs=True, interval=0.01)]
    assert [type(status).__name__ for status in seen] == ["Queued", "InProgress", "Completed"]
    assert seen[1].logs == [{"message": "step 1", "level": "INFO"}]  # type: ignore[union-attr]
    result: dict[str, Any] = await handle.get()
    assert [(each["width"], each["height"]) for each in result["images"]] == [(96, 64)] * 2
    files = [Image.open(io.BytesIO(await _file(http, each["url"]))) for each in result["images"]]
    assert [each.size for each in files] == [(96, 64)] * 2
    assert files[0].tobytes() != files[1].tobytes()
    assert (result["seed"], result["prompt"]) == (3, "a hat")
    shown = sandbox.ledger.shown()
    assert (shown["posts"], shown["submits"], shown["cancels"]) == ({"a hat": 1}, {"a hat": 1}, [])
    assert [(each["unit"], each["amount"]) for each in shown["charges"]] == [("megapixels", 2)]


async def test_an_edit_reads_the_picture_it_is_given(
    client: fal_client.AsyncClient, http: httpx.AsyncClient
) -> None:
    given = {"prompt": "a hat", "image_url": _photo_url(), "resolution_mode": "match_input"}
    result: Any = await client.subscribe("fal-ai/flux-kontext/dev", given)
    edited = Image.open(io.BytesIO(await _file(http, result["images"][0]["url"])))
    assert edited.width > edited.height
    again: Any = await client.subscribe("fal-ai/clarity-upscaler", {"image_url": _photo_url()})
    assert (again["image"]["width"], again["image"]["height"]) == (192, 144)


async def test_a_source_may_be_a_file_of_another_host(
    client: fal_client.AsyncClient, http: httpx.AsyncClient
) -> None:
    given = {"prompt": "x", "image_size": {"width": 48, "height": 32}}
    first: Any = await client.subscribe("fal-ai/flux/dev", given)
    given = {"image_url": first["images"][0]["url"], "scale": 2}
    second: Any = await client.subscribe("fal-ai/esrgan", given)
    assert (second["image"]["width"], second["image"]["height"]) == (96, 64)


async def test_a_video_has_the_duration_that_was_asked_for(
    sandbox: OpenSandbox, client: fal_client.AsyncClient, http: httpx.AsyncClient
) -> None:
    given = {"prompt": "she turns", "start_image_url": _photo_url(), "duration": "3"}
    result: Any = await client.subscribe(_KLING, given)
    assert result["video"]["content_type"] == "video/mp4"
    content = await _file(http, result["video"]["url"])
    with av.open(io.BytesIO(content)) as container:
        assert container.duration == 3_000_000
    part = await http.get(result["video"]["url"], headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    (charge,) = sandbox.ledger.shown()["charges"]
    assert (charge["unit"], charge["amount"], charge["price"]) == ("seconds", 3, 0.084)


async def test_a_stray_field_is_refused_noted_and_not_charged(
    sandbox: OpenSandbox, client: fal_client.AsyncClient, http: httpx.AsyncClient
) -> None:
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await client.submit("fal-ai/flux/dev", {"prompt": "a hat", "negative_prompt": "blur"})
    assert (caught.value.status_code, caught.value.error_type) == (422, "extra_forbidden")
    assert caught.value.message == [  # type: ignore[comparison-overlap]
        {
            "loc": ["body", "negative_prompt"],
            "msg": "Extra inputs are not permitted",
            "type": "extra_forbidden",
        }
    ]
    (stray,) = (await http.get("/_strays")).json()
    assert stray == {
        "wire": "fal",
        "app": "fal-ai/flux/dev",
        "marker": "a hat",
        "field": "negative_prompt",
    }
    assert sandbox.ledger.posts == {"a hat": 1}
    assert not sandbox.ledger.entries


async def test_work_is_cancelled_in_the_queue_and_not_after_its_end(
    sandbox: OpenSandbox, client: fal_client.AsyncClient
) -> None:
    queued = await client.submit("fal-ai/flux/dev", {"prompt": "queued"})
    await queued.cancel()
    assert sandbox.entry("queued").is_cancelled
    ended = await client.submit("fal-ai/flux/dev", {"prompt": "ended"})
    await ended.get(interval=0.01)
    with pytest.raises(fal_client.FalClientHTTPError):
        await ended.cancel()
    assert not sandbox.entry("ended").is_cancelled
    assert sandbox.ledger.cancels == [queued.request_id, ended.request_id]


async def test_a_flagged_result_and_an_unreadable_picture_are_told(
    sandbox: OpenSandbox, client: fal_client.AsyncClient
) -> None:
    sandbox.play(Fault(on="work", marker="flagged", like="content_policy"))
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await client.subscribe("fal-ai/flux/dev", {"prompt": "flagged"})
    assert caught.value.error_type == "content_policy_violation"
    given = {"prompt": "x", "image_url": _data_url(picture()[:30])}
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await client.subscribe("fal-ai/flux-pro/kontext", given)
    assert (caught.value.status_code, caught.value.error_type) == (422, "image_load_error")


@pytest.mark.usefixtures("client")
async def test_another_key_is_refused(sandbox: OpenSandbox) -> None:
    async with _opened("other") as stranger:
        with pytest.raises(fal_client.FalClientHTTPError) as caught:
            await stranger.submit("fal-ai/flux/dev", {"prompt": "x"})
    assert caught.value.status_code == 401
    assert not sandbox.ledger.posts
