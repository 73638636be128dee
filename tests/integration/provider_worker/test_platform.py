"""A task for fal from the REST API to the record, through the platform's own workflows."""

import uuid

import httpx
import pytest

from provider_worker.sandbox.faults import Fault
from provider_worker.sandbox.ledger import Entry
from tests.fixtures.fal_platform import create_task, ended, fal_platform
from tests.fixtures.gateway import Gateway
from tests.fixtures.pictures import picture
from tests.fixtures.remote_work import until_true
from tests.fixtures.sandbox import KEY, OpenSandbox
from tests.fixtures.storage import save


def _entry(fal: OpenSandbox, marker: str) -> Entry:
    (entry,) = [entry for entry in fal.ledger.entries.values() if entry.marker == marker]
    return entry


async def test_a_generation_by_fal_is_stored_as_a_picture(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    marker = f"a hat {uuid.uuid4()}"
    config = {"provider_type": "fal_standard", "fal_app_id": "fal-ai/flux/dev"}
    async with fal_platform(gateway, fal):
        task = await create_task(
            api, task_type="GENERATION", prompt=marker, width=64, height=64, provider_config=config
        )
        done = await ended(api, task["id"])
    assert done["status"] == "COMPLETED", done
    assert done["fal_request_id"] == _entry(fal, marker).request_id
    path = done["result_image_path"]
    content = (await api.get(f"/api/v1/storage/images/{path}")).content
    assert content.startswith(b"\x89PNG")
    assert fal.ledger.posts[marker] == 1


async def test_an_app_reads_the_clients_picture_and_returns_a_url(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    marker, path = str(uuid.uuid4()), f"shop/{uuid.uuid4()}.png"
    assert (await save(api, path, picture())).status_code == 201
    parameters = {"marker": marker, "image_url": path}
    async with fal_platform(gateway, fal):
        task = await create_task(
            api, task_type="EXPERIMENTAL_FAL", fal_app_id="acme/cutter", fal_parameters=parameters
        )
        done = await ended(api, task["id"])
    assert done["status"] == "COMPLETED", done
    assert done["result_url"].startswith(fal.url)
    assert done["fal_parameters"] == parameters
    assert _entry(fal, marker).input["image_url"].startswith("data:image/png;base64,")
    assert KEY not in str(done)


async def test_a_lost_response_fails_the_task_and_is_paid_once_at_most(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    marker = str(uuid.uuid4())
    fal.play(Fault(on="submit", marker=marker, is_taken=True, is_dropped=True))
    async with fal_platform(gateway, fal):
        task = await create_task(
            api,
            task_type="EXPERIMENTAL_FAL",
            fal_app_id="acme/cutter",
            fal_parameters={"marker": marker},
            max_retries=3,
        )
        done = await ended(api, task["id"])
    assert done["status"] == "FAILED"
    assert "may have accepted the work" in str(done["errors"])
    assert fal.ledger.posts[marker] == 1


@pytest.mark.parametrize(
    "raw", ["<html>", '{"text": "' + "x" * 2**20 + '"}'], ids=["html", "large"]
)
async def test_an_unusable_paid_result_is_not_submitted_again(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox, raw: str
) -> None:
    marker = str(uuid.uuid4())
    fal.play(Fault(on="work", marker=marker, raw=raw, times=0))
    async with fal_platform(gateway, fal):
        task = await create_task(
            api,
            task_type="EXPERIMENTAL_FAL",
            fal_app_id="acme/cutter",
            fal_parameters={"marker": marker},
            max_retries=3,
        )
        done = await ended(api, task["id"])
    assert (done["status"], done["error_category"]) == ("FAILED", "VALIDATION")
    assert fal.ledger.posts[marker] == 1


async def test_a_cancelled_task_is_withdrawn_at_fal(
    gateway: Gateway, api: httpx.AsyncClient, fal: OpenSandbox
) -> None:
    marker = str(uuid.uuid4())
    fal.play(Fault(on="work", marker=marker, polls=0))
    async with fal_platform(gateway, fal):
        task = await create_task(
            api,
            task_type="EXPERIMENTAL_FAL",
            fal_app_id="acme/cutter",
            fal_parameters={"marker": marker},
        )
        await until_true(lambda: any(e.marker == marker for e in fal.ledger.entries.values()))
        entry = _entry(fal, marker)
        await until_true(lambda: entry.polls)
        answer = await api.post(f"/api/v1/tasks/{task['id']}/cancel")
        assert answer.status_code == 200, answer.text
        await until_true(lambda: entry.is_cancelled)
        done = await ended(api, task["id"])
    assert done["status"] == "CANCELLED"
    assert fal.ledger.cancels == [entry.request_id]
