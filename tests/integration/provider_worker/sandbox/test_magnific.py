"""Magnific's wire, by plain HTTP."""

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from provider_worker.sandbox.faults import Fault
from provider_worker.sandbox.orders import picture_marker
from tests.fixtures.pictures import picture
from tests.fixtures.sandbox import OpenSandbox, open_sandbox

_CREATIVE, _PRECISION = "/v1/ai/image-upscaler", "/v1/ai/image-upscaler-precision-v2"


def _image(*size: int) -> str:
    return base64.b64encode(picture(size=(size[0], size[1]))).decode()


@pytest.fixture
def magnific(sandbox: OpenSandbox, http: httpx.AsyncClient) -> httpx.AsyncClient:
    http.headers = httpx.Headers({"x-magnific-api-key": sandbox.key})
    return http


async def _task(magnific: httpx.AsyncClient, path: str, **body: Any) -> list[dict[str, Any]]:
    """Run a task to its end and return its states."""
    response = await magnific.post(path, json=body)
    assert response.status_code == 200, response.text
    states = [response.json()["data"]]
    while states[-1]["status"] in ("CREATED", "IN_PROGRESS"):
        url = f"{path}/{states[0]['task_id']}"
        states.append((await magnific.get(url)).json()["data"])
    return states


@pytest.mark.parametrize(("path", "factor"), [(_CREATIVE, "4x"), (_PRECISION, 4)])
async def test_a_picture_is_enlarged(
    magnific: httpx.AsyncClient, path: str, factor: str | int
) -> None:
    states = await _task(magnific, path, image=_image(160, 200), scale_factor=factor)
    assert [state["status"] for state in states] == ["CREATED", "CREATED", "COMPLETED"]
    (url,) = states[-1]["generated"]
    content = (await magnific.get(url)).content
    assert Image.open(io.BytesIO(content)).size == (640, 800)


async def test_a_task_without_prompt_is_named_by_its_picture(
    sandbox: OpenSandbox, magnific: httpx.AsyncClient
) -> None:
    image = _image(160, 160)
    await magnific.post(_PRECISION, json={"image": image})
    await magnific.post(_CREATIVE, json={"image": image, "prompt": "light"})
    headers = {"x-sandbox-marker": "named"}
    await magnific.post(_CREATIVE, json={"image": image}, headers=headers)
    assert sandbox.ledger.posts == {picture_marker(image): 1, "light": 1, "named": 1}
    assert sandbox.entry("named").headers["x-sandbox-marker"] == "named"
    assert sandbox.key not in str(sandbox.ledger.shown())


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (_PRECISION, {"image": _image(160, 160), "prompt": "x"}, "prompt"),
        (_PRECISION, {"image": _image(160, 160), "scale_factor": "4x"}, "scale_factor"),
        (_PRECISION, {"image": _image(700, 700), "scale_factor": 16}, "scale_factor"),
        (_CREATIVE, {"image": _image(160, 160), "creativity": 11}, "creativity"),
        (_CREATIVE, {"image": _image(160, 160), "scale_factor": 4}, "scale_factor"),
        (_CREATIVE, {"image": _image(400, 400), "scale_factor": "16x"}, "scale_factor"),
        (_CREATIVE, {"image": _image(159, 160)}, "image"),
        (_CREATIVE, {"image": _image(160, 500)}, "image"),
        (_CREATIVE, {"image": "https://s3/a.png"}, "image"),
        (_CREATIVE, {"image": "no picture"}, "image"),
        (_CREATIVE, {"image": f"data:image/png;base64,{_image(160, 160)}"}, "image"),
        (_CREATIVE, {}, "image"),
    ],
)
async def test_a_fault_of_the_input_is_refused_by_name(
    sandbox: OpenSandbox, magnific: httpx.AsyncClient, path: str, body: Any, field: str
) -> None:
    response = await magnific.post(path, json=body)
    assert response.status_code == 400
    assert [each["name"] for each in response.json()["invalid_params"]] == [field]
    assert len(sandbox.ledger.strays) == (field == "prompt")
    assert not sandbox.ledger.entries


@pytest.mark.parametrize(
    ("like", "status", "header"),
    [
        ("rate_limit", 429, None),
        ("rate_limit_seconds", 429, "retry-after"),
        ("rate_limit_date", 429, "retry-after"),
        ("rate_limit_ms", 429, "retry-after-ms"),
        ("out_of_credit", 402, None),
    ],
)
async def test_a_ready_made_refusal(
    sandbox: OpenSandbox,
    magnific: httpx.AsyncClient,
    like: Any,
    status: int,
    header: str | None,
) -> None:
    sandbox.play(Fault(on="submit", like=like))
    response = await magnific.post(_CREATIVE, json={"image": _image(160, 160)})
    assert response.status_code == status
    assert {name for name in response.headers if "retry" in name} == ({header} - {None})
    assert not sandbox.ledger.entries


async def test_precision_also_reads_a_url(magnific: httpx.AsyncClient) -> None:
    states = await _task(magnific, _CREATIVE, image=_image(160, 200), scale_factor="2x")
    (url,) = states[-1]["generated"]
    again = await _task(magnific, _PRECISION, image=url, scale_factor=2)
    content = (await magnific.get(again[-1]["generated"][0])).content
    assert Image.open(io.BytesIO(content)).size == (640, 800)


async def test_a_failed_task_is_told(sandbox: OpenSandbox, magnific: httpx.AsyncClient) -> None:
    sandbox.play(Fault(on="work", like="content_policy"))
    states = await _task(magnific, _CREATIVE, image=_image(160, 160))
    assert (states[-1]["status"], states[-1]["generated"]) == ("FAILED", [])


async def test_the_older_api_is_spoken_where_it_is_set() -> None:
    async with (
        open_sandbox(magnific_is_flat=True) as sandbox,
        httpx.AsyncClient(
            base_url=sandbox.url,
            headers={"x-freepik-api-key": sandbox.key},
            trust_env=False,
            verify=False,
        ) as http,
    ):
        task = (await http.post(_CREATIVE, json={"image": _image(160, 160)})).json()
        assert (task["task_status"], task["generated"]) == ("CREATED", [])
        assert (await http.get(f"{_PRECISION}/{task['task_id']}")).status_code == 404
        http.headers = httpx.Headers({"x-freepik-api-key": "other"})
        assert (await http.get(f"{_CREATIVE}/{task['task_id']}")).status_code == 401
