"""Every route that lists or shows a record works with any JSON in it."""

import uuid
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import selectinload

from shared.contracts.enums import ProviderType, TaskType
from shared.contracts.provenance import Provenance, ProvenanceRecord
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.loras import Lora
from shared.db.models.registry import METADATA
from shared.db.models.tables import Event, Task, Workflow
from shared.db.models.trainings import Training
from shared.db.models.webhooks import WebhookDelivery
from tests.examples import up_to
from tests.fixtures.gateway import Gateway
from tests.fixtures.rows import add, runnable_training, task_row, workflow_row

PROVENANCE = ProvenanceRecord(
    provider_type=ProviderType.LOCAL, made=Provenance(engine="flux.1", model="swatch")
).model_dump(mode="json")
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS
JSON = st.recursive(
    _LEAVES.filter(lambda leaf: leaf not in {float("inf"), float("-inf")}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
"""Any JSON that a record can hold."""


def named(names: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for objects with these names and any values, or for no object."""
    return st.dictionaries(st.sampled_from(sorted(names)), JSON, max_size=8) | JSON


TASK = st.sampled_from([*TaskType, *[TaskType.GENERATION] * 5]).flatmap(
    lambda kind: st.fixed_dictionaries(
        {
            "task_type": st.just(kind),
            "inputs": named(TASK_TYPES[kind].inputs.model_fields),
            "results": named([*TASK_TYPES[kind].results.model_fields, "refined_image_path", "id"]),
            "config": JSON | JSON.map(lambda value: BACKEND_IDS | {"prompt_id": value}),
            "errors": JSON,
            "service_requests": JSON,
            "billed": JSON,
            "provider_config": JSON,
        }
    )
)
BACKEND_IDS = {
    "backend_generation_id": str(uuid.uuid4()),
    "backend_prediction_id": str(uuid.uuid4()),
}
STEP = st.fixed_dictionaries(
    {"config": JSON, "result": JSON, "dependencies": JSON, "input_mappings": JSON}
)
WORKFLOW = st.fixed_dictionaries({"config": JSON, "errors": JSON, "final_step_result": JSON})
TRAINING = st.fixed_dictionaries(
    {"sample_prompts": JSON, "source_images": JSON, "preprocessing_transforms": JSON}
)
WITH_STEPS = selectinload(Workflow.steps)
NOT_NULL = frozenset(
    column.name for table in METADATA.sorted_tables for column in table.c if not column.nullable
)


def stored(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields for the row: JSON's own null if the column is not nullable."""
    return {
        name: JSONB.NULL if value is None and name in NOT_NULL else value
        for name, value in fields.items()
    }


@dataclass
class RecordSet:
    """One record of each kind."""

    task: Task
    workflow: Workflow
    training: Training
    lora: Lora
    delivery: WebhookDelivery

    def rows(self) -> list[Any]:
        return [self.delivery, self.task, self.workflow, self.training, self.lora]

    def paths(self) -> list[str]:
        """The paths that show and list the records."""
        task, workflow = f"tasks/{self.task.id}", f"workflows/{self.workflow.id}"
        generation = [f"tasks/generation/{self.task.id}", "tasks/generation"]
        return [
            task,
            f"{task}/provenance",
            f"{task}/events",
            *(generation if self.task.task_type == TaskType.GENERATION else []),
            f"monitoring/{task}",
            f"monitoring/{task}/media",
            workflow,
            f"monitoring/{workflow}",
            f"training/{self.training.id}",
            f"webhooks/deliveries/{self.delivery.id}",
            *("tasks/", "workflows/", "training/", "lora/"),
            *(f"{each}/?include_deleted=true" for each in ("tasks", "workflows")),
            *(f"monitoring/{each}" for each in ("tasks", "workflows", "stats", "workflows/stats")),
            "webhooks/deliveries",
        ]


def record_set(
    task: dict[str, Any],
    step: dict[str, Any],
    flow: dict[str, Any],
    training: dict[str, Any],
    value: Any,
) -> RecordSet:
    row = task_row(status="COMPLETED", last_seq=1, provenance=PROVENANCE, **stored(task))
    workflow = workflow_row("a", status="COMPLETED", **stored(flow))
    for name, own in stored(step).items():
        setattr(workflow.steps[0], name, own)
    trained = runnable_training(status="COMPLETED")
    for name, own in stored(training).items():
        setattr(trained, name, own)
    payload = {
        "event_type": "task_status_update",
        "task_id": str(row.id),
        "status": "COMPLETED",
        "task_type": "GENERATION",
        "metadata": value,
        "error_message": value,
        "progress": value,
    }
    event = Event(
        subject_id=row.id,
        subject_kind="task",
        seq=1,
        event_type="task_status_update",
        payload=payload,
    )
    delivery = WebhookDelivery(
        event=event,
        subject_id=row.id,
        subject_kind="task",
        seq=1,
        event_type="task_status_update",
        url="https://a.test/",
        status="DELIVERED",
        origin_instance="shop",
        **stored({"attempts": value}),
    )
    lora = Lora(
        folder="styles",
        filename=f"{uuid.uuid4()}.safetensors",
        original_filename="a",
        sha256="0" * 64,
        size_bytes=1,
        **stored({"target_modules": value}),
    )
    return RecordSet(row, workflow, trained, lora, delivery)


POISONED: list[tuple[TaskType, dict[str, Any]]] = [
    (TaskType.BACKGROUND_REMOVE, {"input_image_paths": "generations/a.png"}),
    (TaskType.GENERATION, {"seed": "a lot"}),
    (TaskType.GENERATION, {"prompt": 7, "width": 0.97}),
    (TaskType.BACKGROUND_FIX, {"base_image": "a.png", "palette_image": "b.png"}),
    (TaskType.EDITING, {"base_image": "a.png", "reference_images": "b.png"}),
]
"""Inputs from unchecked mappings."""


@pytest.mark.parametrize(("task_type", "inputs"), POISONED)
async def test_record_that_a_mapping_has_spoilt_is_shown_as_it_is(
    gateway: Gateway, api: httpx.AsyncClient, task_type: TaskType, inputs: dict[str, Any]
) -> None:
    task = task_row(task_type=task_type, inputs=inputs, status="FAILED")
    await add(gateway.resources.sessions, task)
    path = f"/api/v1/tasks/{task.id}"
    shown = (await api.get(path)).json()
    assert {name: shown[name] for name in inputs.keys() & shown.keys()} == {
        name: value for name, value in inputs.items() if name in shown
    }
    listed = (await api.get(f"/api/v1/tasks/?task_type={task_type}&status=FAILED")).json()
    assert shown in listed
    assert (await api.put(path, json={"priority": 0})).json() | {"updated_at": 0} == shown | {
        "updated_at": 0
    }
    assert (await api.delete(path)).json()["id"] == shown["id"]


@given(TASK, STEP, WORKFLOW, TRAINING, JSON)
@settings(
    max_examples=up_to(12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_every_record_can_be_read_listed_changed_and_removed(
    gateway: Gateway,
    api: httpx.AsyncClient,
    task: Any,
    step: Any,
    flow: Any,
    training: Any,
    value: Any,
) -> None:
    sessions = gateway.resources.sessions
    found = record_set(task, step, flow, training, value)
    await add(sessions, *found.rows())
    try:
        for path in found.paths():
            answer = await api.get(f"/api/v1/{path}")
            assert answer.status_code == 200, (path, answer.text)
        await _assert_shown_as_it_is(gateway, api, found)
        changed = await api.put(f"/api/v1/tasks/{found.task.id}", json={"priority": 3})
        assert (changed.status_code, changed.json()["priority"]) == (200, 3)
        events = await api.get(f"/api/v1/tasks/{found.task.id}/events")
        assert events.text.count("\nid: ") == 2, events.text
        named = await api.patch(f"/api/v1/workflows/{found.workflow.id}", json={"name": "two"})
        assert (named.status_code, named.json()["name"]) == (200, "two")
        assert (await api.post(f"/api/v1/tasks/{found.task.id}/cleanup")).status_code == 200
        listed = await api.get("/api/v1/tasks/?include_deleted=true")
        assert str(found.task.id) in {each["id"] for each in listed.json()}
        removed = await api.delete(f"/api/v1/tasks/{found.task.id}")
        assert removed.status_code == 200, removed.text
    finally:
        async with sessions.begin() as session:
            for row in found.rows():
                await session.execute(delete(type(row)).where(type(row).id == row.id))


async def _assert_shown_as_it_is(
    gateway: Gateway, api: httpx.AsyncClient, found: RecordSet
) -> None:
    """Compare with the database's value, which spells some numbers differently."""
    async with gateway.resources.sessions() as session:
        task = await session.get_one(Task, found.task.id)
        workflow = await session.get_one(Workflow, found.workflow.id, options=[WITH_STEPS])
    shown = (await api.get(f"/api/v1/tasks/{task.id}")).json()
    results = task.results if isinstance(task.results, dict) else {}
    known = TASK_TYPES[TaskType(task.task_type)].results.model_fields.keys() & results.keys()
    for name in known & shown.keys():
        is_read = isinstance(results[name], str) and not isinstance(shown[name], str)
        is_same_number = isinstance(shown[name], float) and shown[name] == float(results[name])
        assert shown[name] == results[name] or is_read or is_same_number, name
    assert [shown[name] for name in ("config", "errors")] == [task.config, task.errors]
    [step] = (await api.get(f"/api/v1/workflows/{workflow.id}")).json()["steps"]
    columns = ("config", "result", "dependencies", "input_mappings")
    assert [step[name] for name in columns] == [getattr(workflow.steps[0], n) for n in columns]
