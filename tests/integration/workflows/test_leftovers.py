"""Leftovers of completed tasks are removed after a while; recorded objects never are."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from shared.contracts.enums import TaskType
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import StoredObject, Task
from shared.errors import StorageError
from shared.storage.object_store import ObjectInfo
from tests.fakes.broken_store import BrokenStore
from tests.fixtures.gateway import Gateway
from tests.fixtures.rows import add, task_row
from tests.integration.workflows.test_reconcile import reconcile
from workflows.activities.leftovers import LeftoverSweep

pytestmark = pytest.mark.usefixtures("alone")

EDITED = {"inputs/base.png", "a1/image_0.png", "a1/debug/face_0.png", "a2/image_0.png"}
TILED = {"inputs/base.png", "a1/image.png", "tiles/d1/000.png", "tiles/d1/face_1_2.png"}


def completed(minutes_ago: float, **fields: Any) -> Task:
    """Create a task whose second attempt succeeded, unless the test says otherwise."""
    plain: dict[str, Any] = {
        "task_type": "EDITING",
        "status": "COMPLETED",
        "attempt": 2,
        "completed_at": datetime.now(UTC) - timedelta(minutes=minutes_ago),
    }
    return task_row(**plain | fields)


def refined(minutes_ago: float, **fields: Any) -> Task:
    """Create a task that succeeded at once, tile by tile."""
    return completed(minutes_ago, **{"task_type": "REFINE", "attempt": 1} | fields)


def folder_of(task: Task) -> str:
    return f"{TASK_TYPES[TaskType(task.task_type)].task_folder(task.id)}/"


async def store(gateway: Gateway, task: Task, names: set[str], *owned: str) -> Task:
    """Create a task, its objects, and the owner rows of some of them."""
    rows = [
        StoredObject(
            key=folder_of(task) + name,
            origin_instance="shop",
            task_id=task.id,
            size_bytes=3,
            content_type="image/png",
            sha256="0" * 64,
        )
        for name in owned
    ]
    await add(gateway.resources.sessions, task, *rows)
    for name in names:
        await gateway.resources.objects.put(folder_of(task) + name, b"png", "image/png")
    return task


async def left(gateway: Gateway, task: Task) -> set[str]:
    """Return the names of the objects in a task's folder."""
    found = await gateway.resources.objects.list(folder_of(task))
    return {each.key.removeprefix(folder_of(task)) for each in found}


async def sweep(gateway: Gateway) -> Counter[str]:
    counts: Counter[str] = Counter()
    await LeftoverSweep(gateway.resources.sessions, gateway.resources.objects).sweep(counts)
    return counts


async def test_a_pass_sweeps_lost_attempts_and_keeps_the_successful_one_and_inputs(
    gateway: Gateway,
) -> None:
    task = await store(gateway, completed(15), EDITED, "a2/image_0.png")
    beside = f"editings/{task.id}0/a1/image_0.png"  # its name has the same beginning
    await gateway.resources.objects.put(beside, b"png", "image/png")

    assert (await reconcile(gateway)).objects_swept == 2

    assert await left(gateway, task) == {"inputs/base.png", "a2/image_0.png"}
    assert await gateway.resources.objects.head(beside)


@pytest.mark.parametrize("task_type", ["REFINE", "FACE_ENHANCER", "DETAIL_ENHANCER"])
async def test_tiles_of_a_completed_task_are_swept(gateway: Gateway, task_type: str) -> None:
    task = await store(gateway, refined(15, task_type=task_type), TILED, "a1/image.png")
    assert await sweep(gateway) == {"objects_swept": 2}
    assert await left(gateway, task) == {"inputs/base.png", "a1/image.png"}


SUBMITTED = {"a1/sent", "a1/answer", "a1/video.mp4", "inputs/input_image.png"}


def submitted(minutes_ago: float, **fields: Any) -> Task:
    """Create a task that an outside provider completed at once, unless the test says otherwise."""
    plain = {"task_type": "VIDEO_GENERATION", "provider_type": "fal_standard", "attempt": 1}
    return completed(minutes_ago, **plain | fields)


@pytest.mark.parametrize(
    ("task_type", "provider_type"),
    [
        ("VIDEO_GENERATION", "fal_standard"),
        ("EXPERIMENTAL_FAL", "fal_standard"),
        ("EDITING", "fashn_standard"),
        ("REFINE", "freepik_magnific"),
    ],
)
async def test_marks_of_a_paid_submission_are_swept_once_it_has_completed(
    gateway: Gateway, task_type: str, provider_type: str
) -> None:
    task = submitted(15, task_type=task_type, provider_type=provider_type)
    await store(gateway, task, SUBMITTED, "a1/video.mp4")
    assert await sweep(gateway) == {"objects_swept": 2}
    assert await left(gateway, task) == {"a1/video.mp4", "inputs/input_image.png"}


async def test_marks_and_files_of_a_losing_attempt_are_swept_with_it(gateway: Gateway) -> None:
    lost = {"a1/sent", "a1/answer", "a1/video.mp4"}
    task = submitted(15, attempt=2, provider_type="local")  # the fallback completed it
    await store(gateway, task, lost | {"a2/video.webm"}, "a2/video.webm")
    assert await sweep(gateway) == {"objects_swept": 3}
    assert await left(gateway, task) == {"a2/video.webm"}


@pytest.mark.parametrize(
    ("minutes_ago", "fields"),
    [
        pytest.param(15, {"status": "EXECUTING", "completed_at": None}, id="at work"),
        pytest.param(15, {"status": "PENDING", "completed_at": None}, id="to be retried"),
        pytest.param(15, {"status": "FAILED"}, id="proof of a failed submission"),
        pytest.param(9, {}, id="a worker may still read them"),
    ],
)
async def test_marks_are_kept_while_they_prevent_a_second_payment(
    gateway: Gateway, minutes_ago: float, fields: dict[str, Any]
) -> None:
    task = await store(gateway, submitted(minutes_ago, **fields), SUBMITTED, "a1/video.mp4")
    assert (await reconcile(gateway)).objects_swept == 0
    assert await left(gateway, task) == SUBMITTED


@pytest.mark.parametrize(
    ("minutes_ago", "fields"),
    [
        pytest.param(15, {"status": "FAILED"}, id="failed"),
        pytest.param(15, {"status": "CANCELLED"}, id="cancelled"),
        pytest.param(15, {"status": "EXECUTING", "completed_at": None}, id="at work"),
        pytest.param(15, {"is_deleted": True}, id="cleaned up"),
        pytest.param(9, {}, id="a worker may still write"),
        pytest.param(41, {}, id="long ago"),
    ],
)
async def test_tiles_of_other_tasks_are_kept(
    gateway: Gateway, minutes_ago: float, fields: dict[str, Any]
) -> None:
    task = await store(gateway, refined(minutes_ago, **fields), TILED)
    assert await sweep(gateway) == {}
    assert await left(gateway, task) == TILED


async def test_objects_with_an_owner_row_are_kept_for_any_attempt(gateway: Gateway) -> None:
    owned = ("a1/image_0.png", "a2/image_0.png")
    task = await store(gateway, completed(15), EDITED, *owned)
    row = StoredObject(
        key=folder_of(task) + "a1/debug/face_0.png",
        origin_instance="another",  # of no task at all
        size_bytes=3,
        content_type="image/png",
        sha256="0" * 64,
    )
    await add(gateway.resources.sessions, row)
    assert await sweep(gateway) == {}
    assert await left(gateway, task) == EDITED


async def test_tasks_without_leftovers_are_not_listed(gateway: Gateway) -> None:
    task = await store(gateway, completed(15, attempt=1), EDITED)
    assert await sweep(gateway) == {}
    assert await left(gateway, task) == EDITED


class _Watched(BrokenStore):
    """A store that records the listed folders, and fails for one of them while it is set."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway.resources.objects)
        self.listed: list[str] = []
        self.broken: str | None = None

    async def list(self, prefix: str) -> list[ObjectInfo]:
        self.listed.append(prefix)
        if prefix == self.broken:
            raise StorageError("it is broken")
        return await self._store.list(prefix)


async def test_a_failing_task_blocks_no_other_and_is_retried(gateway: Gateway) -> None:
    # Sequentially, with more tasks than are swept concurrently.
    tasks = [await store(gateway, refined(30 - n), TILED, "a1/image.png") for n in range(7)]
    broken, *others = tasks
    watched = _Watched(gateway)
    watched.broken = folder_of(broken)
    sweeper = LeftoverSweep(gateway.resources.sessions, watched)

    counts: Counter[str] = Counter()
    await sweeper.sweep(counts)

    assert counts == {"failed": 1, "objects_swept": 12}
    assert await left(gateway, broken) == TILED
    for task in others:
        assert await left(gateway, task) == {"inputs/base.png", "a1/image.png"}

    watched.listed, watched.broken = [], None
    counts = Counter()
    await sweeper.sweep(counts)

    assert counts == {"objects_swept": 2}
    assert watched.listed == [folder_of(broken)]  # each task once
    watched.listed = []
    await sweeper.sweep(counts)
    assert watched.listed == []


async def test_a_task_deleted_meanwhile_is_skipped(gateway: Gateway) -> None:
    task = await store(gateway, refined(15), TILED)
    sweeper = LeftoverSweep(gateway.resources.sessions, gateway.resources.objects)
    await sweeper.sweep(Counter())
    async with gateway.resources.sessions.begin() as session:
        await session.execute(delete(Task).where(Task.id == task.id))
    await sweeper.sweep(Counter())

    again = await store(gateway, refined(15, id=task.id), TILED)

    await sweeper.sweep(Counter())
    assert await left(gateway, again) == {"inputs/base.png"}
