"""Keys and pictures appear in no log, no record and no history, even if a provider quotes them."""

import base64
import logging
import uuid

import httpx
import pytest
import structlog

from provider_worker.sandbox.faults import Fault
from tests.fixtures.fal_platform import create_task, ended, fal_platform
from tests.fixtures.gateway import Gateway
from tests.fixtures.pictures import picture
from tests.fixtures.sandbox import KEY, OpenSandbox
from tests.fixtures.storage import save


@pytest.mark.parametrize("on", ["submit", "status", "work", None])
async def test_nothing_secret_is_left_behind(
    gateway: Gateway,
    api: httpx.AsyncClient,
    fal: OpenSandbox,
    caplog: pytest.LogCaptureFixture,
    on: str | None,
) -> None:
    marker, path, content = str(uuid.uuid4()), f"shop/{uuid.uuid4()}.png", picture()
    assert (await save(api, path, content)).status_code == 201
    inline = base64.b64encode(content).decode()
    said = {"detail": f"cannot use data:image/png;base64,{inline} with {KEY}"}
    if on:
        fal.play(Fault(on=on, marker=marker, status=422, body=said))  # type: ignore[arg-type]
    caplog.set_level(logging.INFO)
    parameters = {"marker": marker, "image_url": path}
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
    handle = gateway.resources.temporal.get_workflow_handle(f"task-{task['id']}")
    history = [event async for event in handle.fetch_history_events()]
    told = {
        "record": str(done).encode(),
        "history": b"".join(event.SerializeToString() for event in history),
        "logs": f"{lines} {caplog.text}".encode(),
    }
    assert marker.encode() in told["history"], "the history is encoded, and cannot be searched"
    for secret in (KEY.encode(), inline[:60].encode(), content[:60]):
        for where, text in told.items():
            assert secret not in text, f"{secret!r} is in the {where}"
