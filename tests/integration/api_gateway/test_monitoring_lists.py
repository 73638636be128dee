"""The dashboard's lists: every filter, order and search, limited to the caller's rows."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from shared.db.repositories.monitoring import TaskSort, WorkflowSort
from tests.fixtures.gateway import TENANT_KEY, Gateway
from tests.fixtures.rows import add, task_row, workflow_row

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(hours: float) -> datetime:
    return NOON + hours * HOUR


@pytest.fixture(scope="module")
async def instance(gateway: Gateway) -> str:
    """An instance with four tasks and three workflows that differ in every field."""
    name = f"monitored-{uuid.uuid4()}"
    tasks = [
        {"status": "COMPLETED", "started_at": at(1), "completed_at": at(4), "origin_zone": "eu"},
        {
            "status": "FAILED",
            "task_type": "REFINE",
            "provider_type": "vertex",
            "started_at": at(2),
            "completed_at": at(3),
            "errors": ["it broke"],
            "origin_tenant_id": "acme",
        },
        {"status": "EXECUTING", "started_at": at(3), "progress": 40, "origin_zone": "us"},
        {"status": "PENDING", "task_type": "EDITING", "provider_type": "vertex"},
    ]
    workflows = [
        {"name": "Zebra 100%", "status": "RUNNING", "started_at": at(1), "completed_steps": 1},
        {
            "name": "apple_pie",
            "status": "FAILED",
            "started_at": at(2),
            "completed_at": at(5),
            "errors": ["it broke"],
            "origin_tenant_id": "acme",
        },
        {"name": "Apple tart", "origin_zone": "eu"},
    ]
    gone = {"origin_instance": name, "is_deleted": True}
    await add(
        gateway.resources.sessions,
        *(
            task_row(origin_instance=name, created_at=at(place), **fields)
            for place, fields in enumerate(tasks)
        ),
        *(
            workflow_row("a", "b", origin_instance=name, created_at=at(place), **fields)
            for place, fields in enumerate(workflows)
        ),
        task_row(**gone, created_at=at(9)),
        workflow_row(**gone, created_at=at(9)),
    )
    return name


async def listed(api: httpx.AsyncClient, what: str, instance: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(
        f"/api/v1/monitoring/{what}", params={"origin_instance": instance, **query}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_line_of_a_task_has_its_duration_and_whether_it_erred(
    api: httpx.AsyncClient, instance: str
) -> None:
    page = await listed(api, "tasks", instance)
    assert [page[name] for name in ("total", "page", "page_size", "pages")] == [4, 1, 50, 1]
    pending, executing, failed, completed = page["items"]
    assert completed["duration_ms"] == 3 * 3_600_000
    assert executing["duration_ms"] is None
    assert executing["progress"] == 40
    assert [item["has_error"] for item in page["items"]] == [False, False, True, False]
    assert failed["origin_tenant_id"] == "acme"
    assert (pending["task_type"], pending["provider_type"]) == ("EDITING", "vertex")


TASK_FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["PENDING", "EXECUTING", "FAILED", "COMPLETED"]),
    ({"status": "FAILED"}, ["FAILED"]),
    ({"task_type": "GENERATION"}, ["EXECUTING", "COMPLETED"]),
    ({"provider_type": "vertex"}, ["PENDING", "FAILED"]),
    ({"origin_zone": "eu"}, ["COMPLETED"]),
    ({"origin_tenant_id": "acme"}, ["FAILED"]),
    ({"created_after": at(2).isoformat()}, ["PENDING", "EXECUTING"]),
    ({"created_before": at(1).isoformat()}, ["FAILED", "COMPLETED"]),
    ({"created_after": "2026-03-14T13:00:00", "created_before": at(2).isoformat()}, ["E", "F"]),
    ({"provider_type": "vertex", "status": "FAILED", "origin_tenant_id": "acme"}, ["FAILED"]),
    ({"status": "CANCELLED"}, []),
    ({"provider_type": "vertex", "task_type": "GENERATION"}, []),
    ({"origin_zone": ""}, []),
]


@pytest.mark.parametrize(("query", "statuses"), TASK_FILTERS)
async def test_filter_shows_and_counts_what_matches(
    api: httpx.AsyncClient, instance: str, query: dict[str, Any], statuses: list[str]
) -> None:
    page = await listed(api, "tasks", instance, **query)
    found = [item["status"] for item in page["items"]]
    assert [status[: len(wanted)] for status, wanted in zip(found, statuses, strict=True)] == (
        statuses
    )
    assert page["total"] == len(statuses)
    assert page["pages"] == bool(statuses)


WORKFLOW_FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["Apple tart", "apple_pie", "Zebra 100%"]),
    ({"status": "RUNNING"}, ["Zebra 100%"]),
    ({"origin_zone": "eu"}, ["Apple tart"]),
    ({"origin_tenant_id": "acme"}, ["apple_pie"]),
    ({"created_after": at(1).isoformat()}, ["Apple tart", "apple_pie"]),
    ({"created_before": at(0).isoformat()}, ["Zebra 100%"]),
    ({"search": "apple"}, ["Apple tart", "apple_pie"]),
    ({"search": "APPLE_"}, ["apple_pie"]),
    ({"search": "zebra 100%"}, ["Zebra 100%"]),
    ({"search": "%"}, []),
    ({"search": "tart"}, []),
    ({"search": "apple", "status": "FAILED"}, ["apple_pie"]),
]


@pytest.mark.parametrize(("query", "names"), WORKFLOW_FILTERS)
async def test_filter_and_search_of_workflows(
    api: httpx.AsyncClient, instance: str, query: dict[str, Any], names: list[str]
) -> None:
    page = await listed(api, "workflows", instance, **query)
    assert [item["name"] for item in page["items"]] == names
    assert page["total"] == len(names)


async def test_line_of_a_workflow(api: httpx.AsyncClient, instance: str) -> None:
    _, failed, running = (await listed(api, "workflows", instance))["items"]
    assert (running["progress"], running["total_steps"], running["completed_steps"]) == (50, 2, 1)
    assert (failed["duration_ms"], failed["has_error"]) == (3 * 3_600_000, True)
    assert (running["duration_ms"], running["has_error"]) == (None, False)


KEYS: dict[str, Callable[[Any], Any]] = {
    "created_at": lambda item: item["created_at"],
    "started_at": lambda item: item["started_at"] or "",
    "completed_at": lambda item: item["completed_at"] or "",
    "duration_ms": lambda item: item["duration_ms"] or -1,
    "status": lambda item: item["status"],
    "task_type": lambda item: item["task_type"],
    "provider_type": lambda item: item["provider_type"],
    "name": lambda item: item["name"].lower(),
}


@pytest.mark.parametrize(
    ("what", "sort_by"),
    [("tasks", by) for by in TaskSort] + [("workflows", by) for by in WorkflowSort],
)
async def test_every_order_holds_in_both_directions(
    api: httpx.AsyncClient, instance: str, what: str, sort_by: str
) -> None:
    falling = (await listed(api, what, instance, sort_by=sort_by))["items"]
    rising = (await listed(api, what, instance, sort_by=sort_by, sort_order="asc"))["items"]
    keys = [KEYS[sort_by](item) for item in falling]
    assert keys == sorted(keys, reverse=True)
    assert rising == falling[::-1]


@pytest.mark.parametrize("sort_by", list(TaskSort))
async def test_pages_of_equal_rows_neither_repeat_nor_miss_any(
    gateway: Gateway, api: httpx.AsyncClient, sort_by: str
) -> None:
    name = f"monitored-{uuid.uuid4()}"
    rows = [task_row(origin_instance=name, created_at=NOON) for _ in range(7)]
    await add(gateway.resources.sessions, *rows)
    seen: list[str] = []
    for page in (1, 2, 3):
        answer = await listed(api, "tasks", name, sort_by=sort_by, page=page, page_size=3)
        assert (answer["total"], answer["pages"], answer["page"]) == (7, 3, page)
        seen += [item["id"] for item in answer["items"]]
    assert len(seen) == 7
    assert set(seen) == {str(row.id) for row in rows}
    assert (await listed(api, "tasks", name, page=4, page_size=3))["items"] == []


async def test_search_finds_ids_by_their_beginning(
    gateway: Gateway, api: httpx.AsyncClient
) -> None:
    name = f"monitored-{uuid.uuid4()}"
    one, two = uuid.UUID(int=0xABC << 116), uuid.UUID(int=0xABD << 116)
    rows = [task_row(id=key, origin_instance=name) for key in (one, two)]
    flows = [workflow_row(id=key, origin_instance=name) for key in (one, two)]
    await add(gateway.resources.sessions, *rows, *flows)
    for what in ("tasks", "workflows"):
        for search, expected in [
            ("ab", {one, two}),
            ("ABC", {one}),
            (str(two), {two}),
            (str(two).replace("-", ""), {two}),
            (str(two)[:10], {two}),
            ("abe", set[uuid.UUID]()),
            ("not an id", set[uuid.UUID]()),
            (str(one) + "0", set[uuid.UUID]()),
            ("", {one, two}),
        ]:
            page = await listed(api, what, name, search=search)
            assert {uuid.UUID(item["id"]) for item in page["items"]} == expected, search
            assert page["total"] == len(expected)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=DONE", "status"),
        ("task_type=x", "task_type"),
        ("provider_type=x", "provider_type"),
        ("sort_by=config", "sort_by"),
        ("sort_order=up", "sort_order"),
        ("page=0", "page"),
        ("page_size=0", "page_size"),
        ("page_size=501", "page_size"),
        ("created_after=yesterday", "created_after"),
        ("created_before=0.5", "created_before"),
        ("created_before=0001-01-01T00:00:00%2B10:00", "created_before"),
        (f"search={'a' * 101}", "search"),
        ("search=%00", "search"),
        ("origin_instance=a%00b", "origin_instance"),
    ],
)
async def test_wrong_query_is_422_and_names_the_field(
    api: httpx.AsyncClient, query: str, field: str
) -> None:
    answer = await api.get(f"/api/v1/monitoring/tasks?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", field]


async def test_tenant_sees_its_own_rows_alone(gateway: Gateway) -> None:
    other = f"other-{uuid.uuid4()}"
    zone = f"zone-{uuid.uuid4().hex}"
    make = {"tasks": task_row, "workflows": workflow_row}
    async with gateway.client(TENANT_KEY) as tenant:
        for what, row in make.items():
            own = row(origin_instance="shop", origin_tenant_id="acme", origin_zone=zone)
            foreign = [
                row(origin_instance="shop", origin_tenant_id=other, origin_zone=zone),
                row(origin_instance=other, origin_tenant_id="acme", origin_zone=zone),
                row(origin_instance="shop", origin_zone=zone),
            ]
            await add(gateway.resources.sessions, own, *foreign)
            path = f"/api/v1/monitoring/{what}"
            page = (await tenant.get(path, params={"origin_zone": zone})).json()
            assert [item["id"] for item in page["items"]] == [str(own.id)]
            assert page["total"] == 1
            for query in ({"origin_tenant_id": other}, {"origin_instance": other}):
                page = (await tenant.get(path, params=query)).json()
                assert (page["items"], page["total"]) == ([], 0)
            found = (await tenant.get(path, params={"search": str(foreign[0].id)})).json()
            assert (found["items"], found["total"]) == ([], 0)
            assert (await tenant.get(f"{path}/{own.id}")).status_code == 200
            for row_of_others in foreign:
                assert (await tenant.get(f"{path}/{row_of_others.id}")).status_code == 404
