"""Tasks for Gemini from the REST API to the record, through the platform's own workflows."""

import base64
import io
import uuid
from typing import Any

import httpx
import pytest
from PIL import Image

from provider_worker.sandbox.faults import Fault
from tests.fixtures.fal_platform import create_task, ended
from tests.fixtures.gateway import Gateway
from tests.fixtures.pictures import picture
from tests.fixtures.sandbox import KEY, OpenSandbox
from tests.fixtures.storage import IMAGES
from tests.fixtures.vertex_platform import vertex_platform

_PICTURE = "data:image/png;base64," + base64.b64encode(picture(size=(90, 120))).decode()
_SMALL = {"provider_type": "vertex", "image_size": "1K"}


def _editing(marker: str, **more: Any) -> dict[str, Any]:
    given = {
        "task_type": "EDITING",
        "prompt": marker,
        "base_image": _PICTURE,
        "width": 900,
        "height": 1200,
        "provider_config": _SMALL,
    }
    return given | more


async def _run(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox, **fields: Any
) -> dict[str, Any]:
    async with vertex_platform(gateway, fal):
        task = await create_task(api, **fields)
        done = await ended(api, task["id"])
    monitored = await api.get(f"/api/v1/monitoring/tasks/{task['id']}")
    return done | {"monitored": monitored.json() if monitored.status_code == 200 else None}


async def test_an_editing_is_recorded_with_its_tokens(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    marker = f"a hat {uuid.uuid4()}"
    done = await _run(gateway, api, fal, **_editing(marker, reference_images=[_PICTURE]))
    assert done["status"] == "COMPLETED", done
    content = (await api.get(f"{IMAGES}/{done['result_image_path']}")).content
    assert Image.open(io.BytesIO(content)).size == (896, 1200)
    assert fal.ledger.posts[marker] == 1
    assert done["service_task_id"] == fal.entry(marker).request_id
    assert {unit["unit"] for unit in done["billed"]} == {"input_tokens", "output_tokens"}
    assert sum(unit["amount"] for unit in done["billed"]) == fal.ledger.charged("gemini")
    handle = gateway.resources.temporal.get_workflow_handle(f"task-{done['id']}")
    events = [event async for event in handle.fetch_history_events()]
    history = b"".join(event.SerializeToString() for event in events)
    assert marker.encode() in history, "the history is encoded, and cannot be searched"
    for told in (str(done).encode(), history):
        assert KEY.encode() not in told
        assert _PICTURE.partition(",")[2].encode() not in told


async def test_a_generation_that_names_a_small_model_has_its_size(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    marker = f"a hat {uuid.uuid4()}"
    config = {"provider_type": "vertex", "model": "gemini-2.5-flash-image"}
    done = await _run(
        gateway, api, fal, task_type="GENERATION", prompt=marker, provider_config=config
    )
    assert done["status"] == "COMPLETED", done
    sent = fal.entry(marker).input["generationConfig"]["imageConfig"]
    assert sent == {"aspectRatio": "1:1"}


async def test_a_text_with_a_schema_is_data_in_the_record(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    marker = f"a hat {uuid.uuid4()}"
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    done = await _run(
        gateway,
        api,
        fal,
        task_type="LLM_INTERACTION",
        provider_type="vertex",
        prompt=marker,
        input_images=[_PICTURE],
        config={"output_schema": schema},
    )
    assert done["status"] == "COMPLETED", done
    assert isinstance(done["result_json"]["n"], int)
    assert done["input_tokens"] + done["output_tokens"] == fal.ledger.charged("gemini")


async def test_another_shape_is_a_warning_of_the_record(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    marker = f"a hat {uuid.uuid4()}"
    fal.play(Fault(on="work", like="wrong_ratio", marker=marker))
    done = await _run(gateway, api, fal, **_editing(marker))
    assert done["status"] == "COMPLETED", done
    assert "off the requested ratio 3:4" in str(done["warnings"])


@pytest.mark.parametrize(
    ("like", "posts", "status"),
    [("no_image", 2, "COMPLETED"), ("image_safety", 1, "FAILED"), ("text_only", 1, "FAILED")],
)
async def test_no_image_is_retried_and_a_refusal_is_not(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox, like: Any, posts: int, status: str
) -> None:
    marker = f"a hat {uuid.uuid4()}"
    fal.play(Fault(on="work", like=like, marker=marker))
    done = await _run(gateway, api, fal, **_editing(marker, max_retries=2))
    assert done["status"] == status, done
    assert fal.ledger.posts[marker] == posts
    assert {unit["attempt"] for unit in done["billed"]} == set(range(1, posts + 1))
    assert sum(unit["amount"] for unit in done["billed"]) == fal.ledger.charged("gemini")


async def test_a_lost_response_fails_the_task_and_is_sent_once(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    marker = f"a hat {uuid.uuid4()}"
    fal.play(Fault(on="submit", marker=marker, is_taken=True, is_cut=True))
    done = await _run(gateway, api, fal, **_editing(marker, max_retries=3))
    assert done["status"] == "FAILED"
    assert "may have done the work" in str(done["errors"])
    assert fal.ledger.posts[marker] == 1


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"provider_config": _SMALL | {"model": "a/b"}}, ["provider_config", "model"]),
        (
            {"provider_config": {"provider_type": "vertex", "model": "gemini-2.5-flash-image",
                                 "image_size": "4K"}},
            ["provider_config", "image_size"],
        ),
        ({"config": {"num_images": 2}}, ["config", "num_images"]),
        ({"config": {"negative_prompt": "blur"}}, ["config", "negative_prompt"]),
    ],
)  # fmt: skip
async def test_what_gemini_cannot_do_is_refused_at_creation_by_its_field(
    api: httpx.AsyncClient, more: dict[str, Any], place: list[str]
) -> None:
    body = {"origin_instance": "shop"} | _editing("a hat", **more)
    answer = await api.post("/api/v1/tasks/", json=body)
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["detail"]
    assert fault["loc"][-2:] == place
