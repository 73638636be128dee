"""Keys and pictures appear in no log, no record and no history, even if a provider quotes them."""

import base64
import logging
import uuid
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import text

from provider_worker.sandbox.faults import Fault
from tests.fixtures.fal_platform import create_task, ended, fal_platform
from tests.fixtures.gateway import Gateway
from tests.fixtures.pictures import noise
from tests.fixtures.sandbox import KEY, OpenSandbox
from tests.fixtures.storage import IMAGES, save

_ROWS = ("tasks", "workflows", "workflow_steps", "events")


def inline(content: bytes) -> str:
    """Return a picture as a data URL."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


async def kept(gateway: Gateway, record: dict[str, Any], run: str) -> dict[str, bytes]:
    """Return everything that is kept about a task or a workflow."""
    handle = gateway.resources.temporal.get_workflow_handle(run)
    history = [event async for event in handle.fetch_history_events()]
    rows: list[str] = []
    async with gateway.resources.sessions() as session:
        for table in _ROWS:
            found = f"SELECT t::text FROM {table} t WHERE t::text LIKE :id"
            rows += await session.scalars(text(found), {"id": f"%{record['id']}%"})
    assert rows
    return {
        "record": str(record).encode(),
        "rows": " ".join(rows).encode(),
        "history": b"".join(event.SerializeToString() for event in history),
    }


@pytest.mark.parametrize("on", ["submit", "status", "work", None])
async def test_nothing_secret_is_left_behind(
    gateway: Gateway,
    api: httpx.AsyncClient,
    fal: OpenSandbox,
    caplog: pytest.LogCaptureFixture,
    on: str | None,
) -> None:
    marker, path, content = str(uuid.uuid4()), f"shop/{uuid.uuid4()}.png", noise(5)
    sent = noise(6)
    assert (await save(api, path, content)).status_code == 201
    said = {"detail": f"cannot use {inline(content)} with {KEY}"}
    if on:
        fal.play(Fault(on=on, marker=marker, status=422, body=said))  # type: ignore[arg-type]
    caplog.set_level(logging.INFO)
    parameters = {
        "marker": marker,
        "image_url": path,
        "layers": [{"of": inline(sent)}],
        "sync_mode": True,
    }
    with structlog.testing.capture_logs() as lines:
        async with fal_platform(gateway, fal):
            task = await create_task(
                api,
                task_type="EXPERIMENTAL_FAL",
                fal_app_id="acme/cutter",
                fal_parameters=parameters,
            )
            done = await ended(api, task["id"])
    # A refused poll ends its attempt only.
    assert done["status"] == ("FAILED" if on in {"submit", "work"} else "COMPLETED"), done
    told = await kept(gateway, done, f"task-{task['id']}")
    told["logs"] = f"{lines} {caplog.text}".encode()
    assert marker.encode() in told["history"], "the history is encoded, and cannot be searched"
    pictures = [content, sent]
    if done["status"] == "COMPLETED":
        [result] = done["result_paths"]
        attempt = 2 if on == "status" else 1
        assert result.startswith(f"experimental_fal/{task['id']}/a{attempt}/file_0.")
        pictures.append((await api.get(f"{IMAGES}/{result}")).content)
        for entry in fal.ledger.entries.values():
            assert entry.input["layers"] == [{"of": inline(sent)}]
    _check_secrets(told, pictures)


async def test_no_step_keeps_a_picture(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    sent, markers = noise(6), [str(uuid.uuid4()) for _ in range(2)]
    steps: list[dict[str, Any]] = [
        {
            "id": marker,
            "task_type": "EXPERIMENTAL_FAL",
            "config": {
                "fal_app_id": "acme/cutter",
                "fal_parameters": {"marker": marker, "image_url": inline(sent), "sync_mode": True},
            },
        }
        for marker in markers
    ]
    steps[1]["input_mappings"] = [
        {
            "from_step": markers[0],
            "from_field": "result_paths",
            "to_field": "fal_parameters.image_urls",
            "transform": "to_url",
        }
    ]
    body = {"name": "cut", "origin_instance": "shop", "steps": steps}
    async with fal_platform(gateway, fal):
        answer = await api.post("/api/v1/workflows/", json=body)
        assert answer.status_code == 201, answer.text
        done = await ended(api, answer.json()["id"], kind="workflows")
    assert done["status"] == "COMPLETED", done
    paths = [step["config"]["fal_parameters"]["image_url"] for step in done["steps"]]
    pictures = [(await api.get(f"{IMAGES}/{path}")).content for path in paths]
    assert pictures == [sent, sent]
    inputs = {entry.marker: entry.input for entry in fal.ledger.entries.values()}
    assert [inputs[marker]["image_url"] for marker in markers] == [inline(sent)] * 2
    assert inputs[markers[1]]["image_urls"][0].startswith("http")
    _check_secrets(await kept(gateway, done, f"workflow-{done['id']}"), pictures)


def _check_secrets(told: dict[str, bytes], pictures: list[bytes]) -> None:
    """Check that nothing told has the key, or a part of a picture beyond its header."""
    encoded = [base64.b64encode(content).decode() for content in pictures]
    parts = [KEY.encode(), *(content[40:80] for content in pictures)]
    for secret in (*parts, *(letters[56:100].encode() for letters in encoded)):
        assert len(secret) > 5
        for where, said in told.items():
            assert secret not in said, f"{secret!r} is in the {where}"
    for where, said in told.items():
        assert b";base64," not in said or where == "logs", f"a data URL is in the {where}"
