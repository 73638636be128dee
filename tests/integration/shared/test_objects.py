"""Owner rows: prefixes are index ranges, paths have one owner, unfinished work protects them."""

import asyncio
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from shared.contracts.enums import TaskStatus, WorkflowStatus
from shared.db.models.tables import StoredObject, Task, Workflow
from shared.db.repositories.object_use import is_in_use
from shared.db.repositories.objects import (
    KeyClaim,
    claim_object,
    end_of_prefix,
    list_objects,
    lock_object,
)
from shared.db.repositories.scope import Scope
from shared.db.session import Sessions

ACME = Scope("shop", "acme")
OTHER = Scope("shop", "other")
EVERYBODY = Scope()


def owned(key: str, scope: Scope = ACME, **fields: object) -> StoredObject:
    return StoredObject(
        key=key,
        origin_instance=scope.origin_instance or "unknown",
        origin_tenant_id=scope.origin_tenant_id,
        size_bytes=1,
        content_type="image/png",
        sha256="0" * 64,
        **fields,
    )


def task(**fields: object) -> Task:
    return Task(
        task_type="GENERATION",
        provider_type="local",
        queue_name="inference",
        temporal_id="t",
        origin_instance="shop",
        **fields,
    )


@pytest.fixture
def folder() -> str:
    return f"uploads/{uuid.uuid4()}"


async def keys(sessions: Sessions, prefix: str, scope: Scope = ACME, limit: int = 100) -> list[str]:
    async with sessions() as session:
        found = await list_objects(session, scope, prefix, limit)
    return [row.key.removeprefix(prefix) for row in found]


@given(st.text(max_size=5), st.text(max_size=5))
def test_prefix_is_a_range_of_code_points(prefix: str, other: str) -> None:
    end = end_of_prefix(prefix)
    for key in (prefix + other, other):
        is_within = prefix <= key and (end is None or key < end)
        assert is_within == key.startswith(prefix)


async def test_objects_under_a_prefix_are_in_byte_order(sessions: Sessions, folder: str) -> None:
    names = ["/a", "/B", "/b", "/é", "/a/b", "/a.png", "/a-b", "/\U0001f600", "0", "."]
    async with sessions.begin() as session:
        session.add_all([owned(folder + name) for name in names])

    inside = sorted(name for name in names if name.startswith("/"))
    assert await keys(sessions, folder + "/") == [name[1:] for name in inside]
    assert await keys(sessions, folder + "/a") == ["", "-b", ".png", "/b"]
    assert await keys(sessions, folder + "/", limit=2) == ["B", "a"]
    assert await keys(sessions, folder + "/%") == []
    assert await keys(sessions, folder + "/", OTHER) == []


@pytest.mark.parametrize(
    "scope", [EVERYBODY, Scope("shop"), ACME], ids=["all", "instance", "tenant"]
)
async def test_lists_need_neither_a_scan_nor_a_sort(sessions: Sessions, scope: Scope) -> None:
    statement = "EXPLAIN SELECT * FROM stored_objects WHERE key >= 'uploads/' AND key < 'uploads0'"
    if scope.origin_instance:
        statement += " AND origin_instance = 'shop'"
    if scope.origin_tenant_id:
        statement += " AND origin_tenant_id = 'acme'"
    async with sessions.begin() as session:
        # With few rows Postgres may prefer another plan; the index only has to be usable.
        for way in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            await session.execute(text(f"SET LOCAL {way} = off"))
        lines = await session.scalars(text(statement + " ORDER BY key LIMIT 100"))
        plan = "\n".join(lines)
    assert "Index Cond" in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan


async def test_first_to_claim_a_key_owns_it(sessions: Sessions, folder: str) -> None:
    async with sessions.begin() as session:
        first, row = await claim_object(session, ACME, owned(folder))
        assert (first, row.origin_tenant_id) == (KeyClaim.NEW, "acme")
    async with sessions.begin() as session:
        assert (await claim_object(session, ACME, owned(folder)))[0] == KeyClaim.REPLACED
        assert (await claim_object(session, OTHER, owned(folder, OTHER)))[0] == KeyClaim.TAKEN
        again, row = await claim_object(session, EVERYBODY, owned(folder, EVERYBODY))
        assert (again, row.origin_tenant_id) == (KeyClaim.REPLACED, "acme")


async def test_racing_claim_waits_and_sees_who_won(sessions: Sessions, folder: str) -> None:
    async def claim_too() -> KeyClaim:
        async with sessions.begin() as session:
            return (await claim_object(session, OTHER, owned(folder, OTHER)))[0]

    async with sessions.begin() as session:
        await claim_object(session, ACME, owned(folder))
        second = asyncio.create_task(claim_too())
        done, _ = await asyncio.wait([second], timeout=0.3)
        assert not done
    assert await second == KeyClaim.TAKEN


async def test_locked_row_is_the_clients_own(sessions: Sessions, folder: str) -> None:
    async with sessions.begin() as session:
        session.add(owned(folder))
    async with sessions.begin() as session:
        assert await lock_object(session, OTHER, folder) is None
        assert await lock_object(session, ACME, folder) is not None


async def used(sessions: Sessions, key: str) -> bool:
    async with sessions.begin() as session:
        held = await lock_object(session, EVERYBODY, key)
        assert held is not None
        return await is_in_use(session, held)


@pytest.mark.parametrize(
    ("status", "is_used"),
    [
        (TaskStatus.PENDING, True),
        (TaskStatus.EXECUTING, True),
        (TaskStatus.COMPLETED, False),
        (TaskStatus.FAILED, False),
        (TaskStatus.CANCELLED, False),
    ],
)
async def test_object_is_in_use_while_its_task_or_one_that_names_it_has_not_ended(
    sessions: Sessions,
    folder: str,
    status: TaskStatus,
    is_used: bool,  # noqa: FBT001
) -> None:
    own = task(id=uuid.uuid4(), status=status)
    async with sessions.begin() as session:
        session.add_all([own, owned(f"{folder}/output", task_id=own.id), owned(f"{folder}/input")])
    async with sessions.begin() as session:
        session.add(task(status=status, inputs={"images": [{"path": f"{folder}/input"}]}))

    assert await used(sessions, f"{folder}/output") == is_used
    assert await used(sessions, f"{folder}/input") == is_used


async def test_object_that_is_not_named_is_not_in_use(sessions: Sessions, folder: str) -> None:
    async with sessions.begin() as session:
        session.add_all([owned(folder), owned(f"{folder}\"'$key")])
    async with sessions.begin() as session:
        session.add(task(inputs={"base_image_url": f"{folder}/longer", folder: "x"}))
    assert not await used(sessions, folder)
    assert not await used(sessions, f"{folder}\"'$key")


async def test_ended_step_is_in_use_while_its_workflow_runs(
    sessions: Sessions, folder: str
) -> None:
    workflow = Workflow(
        id=uuid.uuid4(), name="w", temporal_id="w", origin_instance="shop",
        status=WorkflowStatus.PAUSED,
    )  # fmt: skip
    step = task(id=uuid.uuid4(), status=TaskStatus.COMPLETED, workflow_id=workflow.id)
    async with sessions.begin() as session:
        session.add(workflow)
        await session.flush()
        session.add_all([step, owned(folder, task_id=step.id)])
    assert await used(sessions, folder)
    async with sessions.begin() as session:
        (await session.merge(workflow)).status = WorkflowStatus.FAILED
    assert not await used(sessions, folder)
