"""Cut at any point, a request leaves the old picture or the new one, whole, and nothing else."""

import base64
import hashlib
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from shared.db.models.loras import Lora
from shared.db.models.tables import StoredObject
from shared.db.repositories.loose_objects import loose_for
from tests.fakes.mortal import Fault, Killed, MortalStore, Steps, mortal_sessions
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.lora_api import upload
from tests.fixtures.lora_files import lora_bytes
from tests.fixtures.rows import add, task_row
from tests.fixtures.storage import BLUE, IMAGES, RED, at, save
from tests.integration.api_gateway.test_tasks import GENERATION
from workflows.activities.loose_objects import LooseSweep

pytestmark = pytest.mark.long

_FAULTS = pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.DEATH, id="death"),
        pytest.param(Fault.LOSS, id="loss", marks=pytest.mark.long),
    ],
)
_NOW = timedelta()
TASKS = "/api/v1/tasks/"
TENANT = {"origin_instance": "shop", "origin_tenant_id": "acme"}

Ask = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Seen:
    """A path as clients see it: its bytes, and whether it is listed."""

    content: bytes | None
    is_listed: bool


@pytest.fixture(autouse=True)
def _without_logs() -> Iterator[None]:
    """A traceback with its locals takes longer than the request that it is about."""
    with capture_logs():
        yield


async def look(client: httpx.AsyncClient, path: str) -> Seen:
    read = await client.get(at(path))
    assert read.status_code in {200, 404}, read.text
    listed = (await client.get(IMAGES, params={"prefix": path})).json()["images"]
    content = read.content if read.status_code == 200 else None
    return Seen(content, path in [image["path"] for image in listed])


async def unowned(gateway: Gateway) -> set[str]:
    """The objects that no row names."""
    return await stored(gateway) - await owned(gateway)


async def missing(gateway: Gateway) -> set[str]:
    """The objects that a row names and that are not there."""
    return await owned(gateway) - await stored(gateway)


async def owned(gateway: Gateway) -> set[str]:
    async with gateway.resources.sessions() as session:
        rows = await session.scalars(select(StoredObject))
        digests = await session.scalars(select(Lora.sha256))
        return {row.content_key for row in rows} | {f"loras/sha256/{digest}" for digest in digests}


async def stored(gateway: Gateway) -> set[str]:
    return {found.key for found in await gateway.resources.objects.list("")}


async def sweep(gateway: Gateway) -> None:
    """Do as a pass does an hour later."""
    counts: Counter[str] = Counter()
    res = gateway.resources
    await LooseSweep(res.sessions, res.objects).sweep(_NOW, counts)
    assert counts["failed"] == 0
    async with res.sessions() as session:
        assert await loose_for(session, _NOW, 1) == []


def mortal_client(gateway: Gateway, steps: Steps) -> httpx.AsyncClient:
    """A client of a gateway that is cut."""
    res = gateway.resources
    sessions, objects = mortal_sessions(res.sessions, steps), MortalStore(res.objects, steps)
    return gateway.client(TENANT_KEY, sessions=sessions, objects=objects)


async def save_blue(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """One and the same request, however often it is asked."""
    return await save(client, path, BLUE, headers={"Idempotency-Key": path})


async def delete(client: httpx.AsyncClient, path: str) -> httpx.Response:
    return await client.delete(at(path))


@_FAULTS
@pytest.mark.parametrize(
    ("before", "ask", "after"),
    [
        pytest.param(None, save_blue, BLUE, id="save"),
        pytest.param(RED, save_blue, BLUE, id="replace"),
        pytest.param(BLUE, save_blue, BLUE, id="save the same", marks=pytest.mark.long),
        pytest.param(RED, delete, None, id="delete"),
    ],
)
async def test_picture_is_the_old_or_the_new_one_wherever_it_is_cut(
    gateway: Gateway, fault: Fault, before: bytes | None, ask: Ask, after: bytes | None
) -> None:
    await sweep(gateway)
    nobodys = await unowned(gateway)
    whole = [Seen(each, each is not None) for each in (before, after)]
    seen: dict[str, tuple[str, Seen]] = {}
    steps = Steps(fault)
    async with gateway.client(TENANT_KEY) as client, mortal_client(gateway, steps) as mortal:
        is_cut = True
        while is_cut:
            path, answer = f"uploads/{uuid.uuid4()}.png", None
            if before:
                assert (await save(client, path, before)).status_code == 201
            steps.begin(len(seen) + 1)
            with suppress(Killed):
                answer = await ask(mortal, path)
            is_cut = steps.is_cut
            point = steps.point if is_cut else "uncut"
            seen[path] = point, await look(client, path)
            assert seen[path][1] in whole, point
            if answer is not None and answer.is_success:
                assert seen[path][1].content == after, point
        # Statements, commits, and requests to the store, each before and after.
        assert len(seen) > 16

        await sweep(gateway)

        assert dict.fromkeys(await unowned(gateway) - nobodys, seen) == {}
        for path, (point, left) in seen.items():
            assert await look(client, path) == left, point
            # Who asks again gets what was asked for.
            again = await ask(client, path)
            assert again.is_success or (after is None and again.status_code == 404), point
            assert await look(client, path) == whole[1], point


@dataclass(frozen=True)
class Subject:
    """The subject of a request."""

    mark: str
    """In its Idempotency-Key, and unique."""
    path: str = ""


async def nothing(_gateway: Gateway, mark: str) -> Subject:
    return Subject(mark)


async def ended_task(gateway: Gateway, mark: str) -> Subject:
    """A task with a result, and something in its folder that no row names."""
    task = task_row(status="COMPLETED", **TENANT)
    folder = f"generations/{task.id}/a1"
    row = StoredObject(
        key=f"{folder}/image_0.png",
        task_id=task.id,
        size_bytes=len(RED),
        content_type="image/png",
        sha256=hashlib.sha256(RED).hexdigest(),
        **TENANT,
    )
    for name in ("image_0.png", "tile.png"):
        await gateway.resources.objects.put(f"{folder}/{name}", RED, "image/png")
    await add(gateway.resources.sessions, task, row)
    return Subject(mark, f"{TASKS}{task.id}")


async def create(client: httpx.AsyncClient, subject: Subject) -> httpx.Response:
    picture = base64.b64encode(RED).decode()
    body = GENERATION | {"reference_image_data": picture, "reference_image_strength": 50}
    headers = {"Idempotency-Key": subject.mark}
    return await client.post(TASKS, json=body | TENANT, headers=headers)


async def clean_up(client: httpx.AsyncClient, subject: Subject) -> httpx.Response:
    return await client.post(f"{subject.path}/cleanup")


async def remove(client: httpx.AsyncClient, subject: Subject) -> httpx.Response:
    return await client.delete(subject.path)


async def upload_lora(client: httpx.AsyncClient, subject: Subject) -> httpx.Response:
    content = lora_bytes(metadata={"mark": subject.mark})
    return await upload(client, content, name=f"{subject.mark}.safetensors", key=subject.mark)


Prepare = Callable[[Gateway, str], Awaitable[Subject]]
AskAbout = Callable[[httpx.AsyncClient, Subject], Awaitable[httpx.Response]]


@_FAULTS
@pytest.mark.parametrize(
    ("prepare", "ask"),
    [
        pytest.param(nothing, create, id="create a task"),
        pytest.param(ended_task, clean_up, id="clean a task up"),
        pytest.param(ended_task, remove, id="delete a task"),
        pytest.param(nothing, upload_lora, id="upload a LoRA"),
    ],
)
async def test_store_and_records_are_of_one_mind_wherever_it_is_cut(
    gateway: Gateway, fault: Fault, prepare: Prepare, ask: AskAbout
) -> None:
    await sweep(gateway)
    nobodys, without = await unowned(gateway), await missing(gateway)
    left: set[str] = set()
    points: list[str] = []
    steps = Steps(fault)
    async with mortal_client(gateway, steps) as mortal:
        is_cut = True
        while is_cut:
            subject = await prepare(gateway, uuid.uuid4().hex)
            others = await unowned(gateway) - nobodys
            steps.begin(len(points) + 1)
            with suppress(Killed):
                await ask(mortal, subject)
            is_cut = steps.is_cut
            points.append(steps.point if is_cut else "uncut")
            assert await missing(gateway) == without, points[-1]
            await sweep(gateway)
            # A folder is there as it was, or gone.
            left = await unowned(gateway) - nobodys
            assert left in [set(), others], points[-1]
            nobodys |= left
            assert await missing(gateway) == without, points[-1]
    assert left == set()
    assert len(points) > 16
