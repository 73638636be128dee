"""Every result field × every input field × every transform: three checks that agree.

A mapping that is accepted at creation gives a value that the target accepts and whose record can be
read by its schema, or it fails with the mapping, the value and the input in its message. A mapping
that is refused would not have given one.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.tasks.presentation import present_task
from api_gateway.tasks.schemas.unions import SCHEMAS
from api_gateway.workflows.mapping_checks import check_mapping
from api_gateway.workflows.schemas import FieldMapping, WorkflowStepDefinition
from shared.contracts.capabilities import LORA_FIELDS
from shared.contracts.enums import MappingTransform, TaskType
from shared.contracts.inputs import merged_inputs
from shared.contracts.owners import Owner
from shared.contracts.runs import StepMapping, TaskRun
from shared.contracts.task_types.shapes import Kind, result_shape
from shared.contracts.task_types.table import TASK_TYPES
from shared.db.models.tables import Task
from tests.fixtures.hostile import values
from tests.fixtures.workflow_runs import step
from workflows.definitions.fitting import fitted
from workflows.definitions.mapping import MappingError, MappingGate, linked_keys, map_inputs

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALUES: dict[Kind, list[Any]] = {
    Kind.TEXT: ["a red dress", ""],
    Kind.WHOLE: [4, 64, -1, 2**70],
    Kind.NUMBER: [0.5, 1.5, -0.25],
    Kind.TRUTH: [True, False],
    Kind.LIST: [["a/1.png", "a/2.png"], []],
    Kind.ANYTHING: ["64", 64, 0.5, True, [], ["a"], [[1]], {"a": None}, "null", 2.0],
}
"""Sample values of each shape of a result."""
SOURCES = [(kind, name) for kind, row in TASK_TYPES.items() for name in row.results.model_fields]
TARGETS = [
    (kind, name)
    for kind, row in TASK_TYPES.items()
    for name in [*row.inputs.model_fields, *(["fal_parameters.x"] if not row.pictures else [])]
    if name not in LORA_FIELDS and name.partition(".")[0] in row.inputs.model_fields
]
TRANSFORMS = [None, *MappingTransform]
LINK = "https://store.example/signed"


def definition(task_type: TaskType, step_id: str) -> WorkflowStepDefinition:
    return WorkflowStepDefinition(id=step_id, task_type=task_type)


STEPS = {kind: (definition(kind, "a"), definition(kind, "b")) for kind in TaskType}


def run_of(task_type: TaskType) -> TaskRun:
    """Build a complete task."""
    example = SCHEMAS[task_type].create.model_json_schema()["example"]
    body = SCHEMAS[task_type].create.model_validate(example)
    row = TASK_TYPES[task_type]
    inputs = body.model_dump(mode="json", include=set(row.inputs.model_fields), exclude_none=True)
    return TaskRun(
        task_id=uuid.uuid4(),
        task_type=task_type,
        provider_type=row.default_provider,
        task_queue="inference",
        inputs=inputs | {"config": {}},
        owner=Owner(origin_instance="tests"),
    )


RUNS = {kind: run_of(kind) for kind in TaskType}


def cases(source: tuple[TaskType, str]) -> Iterator[tuple[FieldMapping, TaskType, bool]]:
    """Yield each mapping of a result field, its target's type, and its acceptance."""
    source_type, from_field = source
    for target_type, to_field in TARGETS:
        for transform in TRANSFORMS:
            mapping = FieldMapping(
                from_step="a", from_field=from_field, to_field=to_field, transform=transform
            )
            steps = STEPS[source_type][0], STEPS[target_type][1]
            faults = check_mapping(mapping, *steps, is_again=False)
            if any("takes the path" in f.message or "is none" in f.message for f in faults):
                continue  # a link does not depend on types
            yield mapping, target_type, not faults


def resolved(mapping: FieldMapping, target_type: TaskType, value: Any) -> tuple[Any, Any] | str:
    """Return a value as mapped and as the step receives it, or the error."""
    link = StepMapping.model_validate(mapping.model_dump())
    target = step("b", run=RUNS[target_type], mappings=[link])
    results, gate = {"a": {mapping.from_field: value}}, MappingGate()
    try:
        links = dict.fromkeys(linked_keys([link], results, gate), LINK)
        mapped = map_inputs([link], results, links, gate)
        return mapped[mapping.to_field], fitted(target, mapped)[mapping.to_field]
    except MappingError as error:
        return str(error)


def record(run: TaskRun, mapped: dict[str, Any]) -> Task:
    return Task(
        id=run.task_id,
        task_type=run.task_type,
        status="COMPLETED",
        provider_type=run.provider_type,
        temporal_id="task-7",
        origin_instance="shop",
        config={},
        inputs={"upscale_seed": 1, "face_detail_seed": 1} | merged_inputs(run.inputs, mapped),
        results={},
        errors=[],
        priority=0,
        progress=100,
        retry_count=0,
        fallback_used=False,
        billed=[],
        is_deleted=False,
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source[0]}-{source[1]}")
def test_creation_resolution_and_reading_agree(source: tuple[TaskType, str]) -> None:
    values = VALUES[result_shape(TASK_TYPES[source[0]], source[1]).kind]
    for mapping, target_type, is_accepted in cases(source):
        for value in values:
            resolution = resolved(mapping, target_type, value)
            if isinstance(resolution, str):
                assert resolution.startswith(f"a.{mapping.from_field} is "), resolution
                assert f" and cannot be mapped to {mapping.to_field}: " in resolution
                continue
            given, taken = resolution
            # Requests accept "64" and 64.0 for 64; sources of such types need a transform.
            is_read = type(given) is not type(taken)
            assert is_accepted or is_read, (mapping, target_type, value)
            _assert_readable(mapping.to_field, target_type, taken)


def _assert_readable(name: str, target_type: TaskType, taken: Any) -> None:
    if "." not in name:
        assert TASK_TYPES[target_type].inputs.validate_one(name, taken) == taken
    shown = present_task(record(RUNS[target_type], {name: taken}))
    assert type(shown) is SCHEMAS[target_type].public, (name, taken)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source[0]}-{source[1]}")
def test_the_transform_that_a_refusal_proposes_is_accepted(source: tuple[TaskType, str]) -> None:
    for mapping, target_type, is_accepted in cases(source):
        if is_accepted:
            continue
        steps = STEPS[source[0]][0], STEPS[target_type][1]
        [fault] = check_mapping(mapping, *steps, is_again=False)
        assert f"a.{mapping.from_field} " in fault.message
        assert mapping.to_field in fault.message
        remedy = fault.message.rpartition("; ")[2]
        proposed = remedy.removeprefix("use the transform ")
        if proposed == remedy and remedy != "leave the transform out":
            assert remedy.startswith(("map another field", "map it to a key"))
            continue
        transform = None if proposed == remedy else MappingTransform(proposed)
        better = mapping.model_copy(update={"transform": transform})
        assert check_mapping(better, *steps, is_again=False) == [], fault.message


@given(values(), st.sampled_from(TARGETS), st.sampled_from(TRANSFORMS))
def test_any_value_is_accepted_or_its_fault_is_named(
    value: Any, target: tuple[TaskType, str], transform: MappingTransform | None
) -> None:
    target_type, to_field = target
    mapping = FieldMapping(from_step="a", from_field="x", to_field=to_field, transform=transform)
    resolution = resolved(mapping, target_type, value)
    if not isinstance(resolution, str):
        _assert_readable(to_field, target_type, resolution[1])
