"""Work reads the bytes that existed at its creation; they stay until it has ended."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from shared.contracts.enums import ErrorCategory
from shared.contracts.picture_objects import PICTURE_OBJECTS
from shared.contracts.provenance import Provenance
from shared.db.models.tables import Task
from shared.db.repositories.object_use import pin_pictures
from shared.db.repositories.scope import Scope
from shared.errors import PlatformError
from tests.fakes.broken_store import BrokenStore
from tests.fakes.inference import Attempt
from tests.fixtures.gateway import ADMIN_KEY, TENANT_KEY, Gateway
from tests.fixtures.rows import task_row
from tests.fixtures.storage import BLUE, RED, at, object_key, save
from tests.fixtures.workers import all_workers
from tests.fixtures.workflow_runs import until
from tests.integration.api_gateway.conftest import Staff
from tests.integration.api_gateway.test_tasks import GENERATION
from tests.integration.api_gateway.test_training import LORA
from tests.integration.api_gateway.test_training import PATH as TRAININGS
from tests.integration.api_gateway.test_workflow_lifecycle import create, reached, statuses
from tests.integration.api_gateway.test_workflows import GENERATE

TASKS, WORKFLOWS = "/api/v1/tasks/", "/api/v1/workflows/"
ENCODED = base64.b64encode(RED).decode()


def picture_of(path: str) -> dict[str, Any]:
    return {"reference_image_url": path, "reference_image_strength": 50}


@pytest.fixture
async def shop(staff: Staff) -> AsyncIterator[httpx.AsyncClient]:
    async with staff.client(TENANT_KEY) as client:
        yield client


@pytest.fixture
async def working(staff: Staff) -> AsyncIterator[Staff]:
    async with staff.workflow_worker(), staff.runs.inference_worker():
        yield staff


async def task_of(gateway: Gateway, task_id: str) -> Task:
    async with gateway.resources.sessions() as session:
        task = await session.get(Task, uuid.UUID(task_id))
    assert task is not None
    return task


async def ended(shop: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def has_ended() -> bool:
        found.update((await shop.get(f"{TASKS}{task_id}")).json())
        return found["status"] in {"COMPLETED", "FAILED"}

    await until(has_ended)
    return found


async def refused(*asked: Awaitable[httpx.Response]) -> None:
    for answer in await asyncio.gather(*asked):
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use"), answer.text


async def test_worker_reads_the_object_and_everybody_else_the_path(
    working: Staff, shop: httpx.AsyncClient, folder: str
) -> None:
    await save(shop, folder)
    content_key = await object_key(working.gateway, folder)
    working.runs.inference.provenance = Provenance(engine="flux.1", model="m")

    created = await shop.post(TASKS, json=GENERATION | picture_of(folder))

    task = await ended(shop, created.json()["id"])
    assert task["status"] == "COMPLETED", task
    assert task["reference_image_path"] == folder == created.json()["reference_image_path"]
    [attempt] = working.runs.inference.attempts
    assert attempt.inputs.reference_image_url == content_key
    # A restart of the run, such as by the reconciler, finds the object in the row.
    row = await task_of(working.gateway, task["id"])
    assert row.inputs["reference_image_url"] == folder
    assert row.inputs[PICTURE_OBJECTS] == {folder: content_key}
    made = (await shop.get(f"{TASKS}{task['id']}/provenance")).json()
    assert made["request"]["reference_image_url"] == folder
    media = (await shop.get(f"/api/v1/monitoring/tasks/{task['id']}/media")).json()
    assert [item["path"] for item in media["inputs"]] == [folder]
    async with httpx.AsyncClient() as web:
        assert (await web.get(media["inputs"][0]["url"])).content == RED


async def test_real_worker_reads_a_saved_picture(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    await save(api, folder)
    async with all_workers(gateway):
        created = await api.post(TASKS, json=GENERATION | picture_of(folder))
        task = await ended(api, created.json()["id"])
    assert (task["status"], task["reference_image_path"]) == ("COMPLETED", folder), task["errors"]


async def test_app_on_fal_is_given_the_object(staff: Staff, folder: str) -> None:
    parameters = {"image_url": folder, "deep": [{"other": folder, "text": "as it is"}]}
    body = {
        "task_type": "EXPERIMENTAL_FAL",
        "fal_app_id": "fal-ai/x",
        "fal_parameters": parameters,
        "origin_instance": "shop",
    }
    async with (
        staff.client(TENANT_KEY) as shop,
        staff.workflow_worker(),
        staff.runs.provider_worker(),
    ):
        await save(shop, folder)
        content_key = await object_key(staff.gateway, folder)
        created = await shop.post(TASKS, json=body)
        task = await ended(shop, created.json()["id"])
    [work] = staff.runs.provider.submitted
    assert work.inputs["fal_parameters"] == {
        "image_url": content_key,
        "deep": [{"other": content_key, "text": "as it is"}],
    }
    assert work.inputs["fal_objects"] == [content_key]
    assert task["fal_parameters"] == parameters


async def test_resume_reads_what_lies_under_the_path_by_then(
    working: Staff, shop: httpx.AsyncClient, folder: str
) -> None:
    async def fail(_attempt: Attempt) -> None:
        raise PlatformError("it is down", category=ErrorCategory.VALIDATION)

    await save(shop, folder, RED)
    working.runs.inference.act = fail
    step = GENERATE | {"config": GENERATE["config"] | picture_of(folder), "max_retries": 0}
    created = await create(shop, step)
    await reached(shop, created, "FAILED")
    assert (await save(shop, folder, BLUE)).status_code == 201

    async def succeed(_attempt: Attempt) -> None:
        pass

    working.runs.inference.act = succeed
    await shop.post(f"{WORKFLOWS}{created['id']}/resume")

    done = await reached(shop, created, "COMPLETED", "FAILED")
    assert statuses(done) == {"generate": "COMPLETED"}
    attempt = working.runs.inference.attempts[-1]
    assert attempt.inputs.reference_image_url == await object_key(working.gateway, folder)


async def test_changed_input_is_read_and_stays(
    gateway: Gateway, shop: httpx.AsyncClient, folder: str
) -> None:
    await save(shop, f"{folder}/a.png")
    step = GENERATE | {"config": GENERATE["config"] | picture_of(f"{folder}/a.png")}
    created = await create(shop, step, start="false")
    task_id = created["steps"][0]["task_id"]
    await save(shop, f"{folder}/b.png", BLUE)  # newer than the task that names it

    change = {"reference_image_path": f"{folder}/b.png"}
    changed = await shop.put(f"{TASKS}generation/{task_id}", json=change)

    assert changed.status_code == 200, changed.text
    row = await task_of(gateway, task_id)
    content_key = await object_key(gateway, f"{folder}/b.png")
    assert row.inputs[PICTURE_OBJECTS] == {f"{folder}/b.png": content_key}
    await refused(shop.delete(at(f"{folder}/b.png")), save(shop, f"{folder}/b.png", RED))
    assert (await shop.delete(at(f"{folder}/a.png"))).status_code == 200


async def test_picture_that_an_app_names_is_read_and_stays(
    staff: Staff, shop: httpx.AsyncClient, folder: str
) -> None:
    """The image is mapped from a response: until its step ends, no record names it."""
    is_reading, may_end = asyncio.Event(), asyncio.Event()

    async def read(_attempt: Attempt) -> None:
        is_reading.set()
        await may_end.wait()

    await save(shop, folder)
    content_key = await object_key(staff.gateway, folder)
    staff.runs.provider.results = {"picture": folder}
    staff.runs.inference.act = read
    app = {
        "id": "app",
        "task_type": "EXPERIMENTAL_FAL",
        "config": {"fal_app_id": "fal-ai/x", "fal_parameters": {}},
    }
    mapping = {"from_step": "app", "from_field": "picture", "to_field": "reference_image_url"}
    step = GENERATE | {"depends_on": ["app"], "input_mappings": [mapping]}
    async with (
        staff.workflow_worker(),
        staff.runs.inference_worker(),
        staff.runs.provider_worker(),
    ):
        created = await create(shop, app, step)
        await asyncio.wait_for(is_reading.wait(), 20)
        await refused(shop.delete(at(folder)), save(shop, folder, BLUE))
        may_end.set()
        done = await reached(shop, created, "COMPLETED", "FAILED")
    assert done["status"] == "COMPLETED", done
    [attempt] = staff.runs.inference.attempts
    assert attempt.inputs.reference_image_url == content_key
    assert (await shop.delete(at(folder))).status_code == 200


async def test_training_reads_the_object_and_holds_it(
    staff: Staff, shop: httpx.AsyncClient, folder: str
) -> None:
    is_reading, may_end = asyncio.Event(), asyncio.Event()

    async def read(_request: object) -> None:
        is_reading.set()
        await may_end.wait()

    await save(shop, folder)
    content_key = await object_key(staff.gateway, folder)
    staff.runs.training.act = read
    async with (
        staff.workflow_worker(),
        staff.runs.dataset_worker(),
        staff.runs.training_worker(),
    ):
        training = (await shop.post(TRAININGS, json=LORA | {"source_images": [folder]})).json()
        assert training["source_images"] == [folder]
        await asyncio.wait_for(is_reading.wait(), 20)
        await refused(shop.delete(at(folder)), save(shop, folder, BLUE))
        may_end.set()

        async def has_ended() -> bool:
            found = (await shop.get(f"{TRAININGS}{training['id']}")).json()
            return found["status"] == "COMPLETED"

        await until(has_ended)
    [dataset] = staff.runs.training.datasets
    assert dataset.source_images == [folder]
    assert dataset.fetched == {folder: content_key}
    assert (await shop.delete(at(folder))).status_code == 200


class _Meanwhile(BrokenStore):
    """Hook that runs while a request's own image is stored."""

    def __init__(self, gateway: Gateway, happens: Callable[[], Awaitable[httpx.Response]]) -> None:
        super().__init__(gateway.resources.objects)
        self._happens = happens

    async def put(self, key: str, *args: Any) -> None:
        assert (await self._happens()).is_success
        await self._store.put(key, *args)


async def create_meanwhile(
    gateway: Gateway, folder: str, happens: Callable[[], Awaitable[httpx.Response]]
) -> httpx.Response:
    """Create a task that reads a saved image, and one of its own."""
    body = {
        "task_type": "IMAGE_ADJUSTER",
        "input_image": ENCODED,
        "reference_image": folder,
        "origin_instance": "shop",
    }
    async with gateway.client(ADMIN_KEY, objects=_Meanwhile(gateway, happens)) as client:
        return await client.post(TASKS, json=body)


async def test_picture_replaced_while_its_task_is_created_is_read_as_it_is_then(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    await save(api, folder, RED)
    created = await create_meanwhile(gateway, folder, lambda: save(api, folder, BLUE))
    assert created.status_code == 201, created.text
    row = await task_of(gateway, created.json()["id"])
    assert row.inputs[PICTURE_OBJECTS] == {folder: await object_key(gateway, folder)}
    await refused(save(api, folder, RED))


async def test_picture_deleted_while_its_task_is_created_is_409_and_leaves_nothing(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    await save(api, folder, RED)
    before = [found.key for found in await gateway.resources.objects.list("image_adjusters/")]
    rows = await gateway.row_counts()
    answer = await create_meanwhile(gateway, folder, lambda: api.delete(at(folder)))
    assert (answer.status_code, answer.json()["code"]) == (409, "picture_gone")
    after = [found.key for found in await gateway.resources.objects.list("image_adjusters/")]
    assert after == before
    assert (await gateway.row_counts())["tasks"] == rows["tasks"]


async def test_who_replaces_waits_for_work_that_is_being_created(
    gateway: Gateway, api: httpx.AsyncClient, folder: str
) -> None:
    await save(api, folder, RED)
    task = task_row(inputs={"reference_image_url": folder}, status="PENDING")
    async with gateway.resources.sessions.begin() as session:
        session.add(task)
        assert await pin_pictures(session, Scope(), [task]) == []
        replacing = asyncio.create_task(save(api, folder, BLUE))
        await until(lambda: _waits_for_a_lock(gateway))
        assert not replacing.done()
    await refused(_awaited(replacing))


async def _awaited(asked: "asyncio.Task[httpx.Response]") -> httpx.Response:
    return await asked


async def _waits_for_a_lock(gateway: Gateway) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with gateway.resources.sessions() as session:
        connection = await session.connection()
        return bool((await connection.exec_driver_sql(waiting)).scalar())
