"""Faults of every wire, duration of work, and the control routes."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.sandbox import OpenSandbox, open_sandbox

_APP = "/acme/anything"


async def _taken(http: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await http.post(_APP, json={"marker": "m"} | body)
    assert response.status_code == 200, response.text
    return response.json()


async def _plan(http: httpx.AsyncClient, *faults: dict[str, Any]) -> None:
    assert (await http.post("/_faults", json=list(faults))).status_code == 204


async def test_unknown_apps_take_anything(sandbox: OpenSandbox, http: httpx.AsyncClient) -> None:
    taken = await _taken(http, image_url="memory://a", note={"deep": [1]})
    for _ in range(2):
        await http.get(taken["status_url"])
    result = await http.get(taken["response_url"])
    (picture,) = result.json()["images"]
    assert (picture["width"], picture["height"]) == (64, 64)
    assert result.headers["x-fal-billable-units"] == "1"
    assert (await http.get(picture["url"].replace("/0.png", "/1.png"))).status_code == 404
    counted = sandbox.ledger.requests
    assert counted["POST /acme/anything"] == 1
    assert counted["GET /acme/anything/requests/{id}/status"] == 2


@pytest.mark.parametrize("on", ["status", "result", "cancel"])
async def test_a_fault_replaces_a_response(http: httpx.AsyncClient, on: str) -> None:
    taken = await _taken(http)
    await _plan(http, {"on": on, "status": 503, "body": {"detail": "later"}})
    methods = {"status": "GET", "result": "GET", "cancel": "PUT"}
    urls = {"status": "status_url", "result": "response_url", "cancel": "cancel_url"}
    first, second = [await http.request(methods[on], taken[urls[on]]) for _ in range(2)]
    assert (first.status_code, first.json()) == (503, {"detail": "later"})
    assert second.status_code != 503


async def test_connections_are_dropped_and_cut(http: httpx.AsyncClient) -> None:
    taken = await _taken(http)
    await _plan(http, {"on": "status", "is_dropped": True}, {"on": "status", "is_cut": True})
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            await http.get(taken["status_url"])
    assert (await http.get(taken["status_url"])).status_code == 200


async def test_a_response_is_padded(http: httpx.AsyncClient) -> None:
    taken = await _taken(http)
    await _plan(http, {"on": "status", "pad_bytes": 300_000})
    response = await http.get(taken["status_url"])
    assert len(response.content) > 300_000
    assert response.json()["status"] == "IN_QUEUE"


async def test_a_response_is_sent_slowly(http: httpx.AsyncClient) -> None:
    taken = await _taken(http)
    await _plan(http, {"on": "status", "bytes_per_s": 500})
    begun = time.monotonic()
    response = await http.get(taken["status_url"])
    length = int(response.headers["content-length"])
    assert len(response.content) == length
    assert time.monotonic() - begun > length / 500 / 2


async def test_a_medium_is_disturbed_like_any_response(http: httpx.AsyncClient) -> None:
    taken = await _taken(http)
    for _ in range(2):
        await http.get(taken["status_url"])
    url = (await http.get(taken["response_url"])).json()["images"][0]["url"]
    await _plan(http, {"on": "media", "status": 410}, {"on": "picture", "pad_bytes": 1000})
    gone, padded, whole = [await http.get(url) for _ in range(3)]
    assert (gone.status_code, whole.status_code) == (410, 200)
    assert padded.content == whole.content + b"\0" * 1000


async def test_a_cleared_ledger_is_empty_and_so_is_its_file(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    async with open_sandbox(ledger=file) as sandbox:
        headers = {"authorization": f"Key {sandbox.key}"}
        async with httpx.AsyncClient(base_url=sandbox.url, headers=headers) as http:
            await _taken(http)
            assert sandbox.ledger.submits
            assert file.read_text()
            assert (await http.delete("/_ledger")).status_code == 204
        assert not sandbox.ledger.submits
        assert not sandbox.ledger.posts
    assert not file.read_text()


async def test_planned_faults_are_removed_and_wrong_ones_refused(http: httpx.AsyncClient) -> None:
    await _plan(http, {"on": "submit", "status": 500, "times": 0})
    assert (await http.delete("/_faults")).status_code == 204
    await _taken(http)
    for field, value in {"on": "nowhere", "status": 99999, "times": -1, "bytes_per_s": 0}.items():
        response = await http.post("/_faults", json=[{"on": "submit", field: value}])
        assert (response.status_code, response.json()[0]["loc"]) == (422, [0, field])


async def test_an_unknown_app_returns_a_limited_number_of_pictures(
    http: httpx.AsyncClient,
) -> None:
    taken = await _taken(http, num_images=100_000)
    for _ in range(2):
        await http.get(taken["status_url"])
    assert len((await http.get(taken["response_url"])).json()["images"]) == 16


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
async def test_a_body_that_is_no_object_is_refused(
    sandbox: OpenSandbox, http: httpx.AsyncClient, content: bytes
) -> None:
    bearer = {"authorization": f"Bearer {sandbox.key}"}
    magnific = {"x-magnific-api-key": sandbox.key}
    assert (await http.post(_APP, content=content)).status_code == 422
    assert (await http.post("/v1/run", content=content, headers=bearer)).status_code == 400
    path = "/v1/ai/image-upscaler"
    assert (await http.post(path, content=content, headers=magnific)).status_code == 400


async def test_work_takes_the_time_that_is_set() -> None:
    async with (
        open_sandbox(work_s=3600) as sandbox,
        httpx.AsyncClient(
            base_url=sandbox.url,
            headers={"authorization": f"Key {sandbox.key}"},
            trust_env=False,
            verify=False,
        ) as http,
    ):
        taken = await _taken(http)
        states = [(await http.get(taken["status_url"])).json()["status"] for _ in range(4)]
        assert states == ["IN_QUEUE"] + ["IN_PROGRESS"] * 3
        sandbox.entry("m").taken_at -= 3600
        assert (await http.get(taken["status_url"])).json()["status"] == "COMPLETED"
        await _plan(http, {"on": "work", "marker": "quick", "polls": 1})
        quick = await _taken(http, marker="quick")
        assert (await http.get(quick["status_url"])).json()["status"] == "COMPLETED"
