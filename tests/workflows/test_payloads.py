"""Every payload of the recorded histories fits its declared type, without unknown fields."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from shared.contracts.runs import PipelineRun
from tests.workflows.replay.payloads import (
    DeclaredTypes,
    decode,
    faults_of,
    is_untyped,
    payloads_of,
)

FOLDER = Path(__file__).parent / "replay" / "histories"
HISTORIES = sorted(FOLDER.glob("*.json"))


def read(name: str) -> WorkflowHistory:
    return WorkflowHistory.from_json(name, (FOLDER / f"{name}.json").read_text())


def changed(payload: Payload, change: Callable[[Any], None]) -> Payload:
    value = json.loads(payload.data)
    change(value)
    return Payload(metadata=dict(payload.metadata), data=json.dumps(value).encode())


def rename(fields: dict[str, Any], old: str) -> None:
    fields[f"renamed_{old}"] = fields.pop(old)


def change_payload(history: WorkflowHistory, place: str, change: Callable[[Any], None]) -> None:
    (found,) = (each for each in payloads_of(history) if str(each) == place)
    found.payload.CopyFrom(changed(found.payload, change))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_every_payload_fits_its_declared_type(path: Path) -> None:
    history = read(path.stem)
    assert payloads_of(history)
    assert faults_of(history) == []


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_renamed_field_is_seen(path: Path) -> None:
    """Decoding fails for each field of each recorded message that is renamed in a copy."""
    history = read(path.stem)
    types = DeclaredTypes(history)
    renamed = 0
    for recorded in payloads_of(history):
        if is_untyped(recorded):
            continue
        declared = types.type_of(recorded)
        message = decode(recorded.payload, declared)
        if not isinstance(message, BaseModel):
            continue
        for name in json.loads(recorded.payload.data):
            copied = changed(recorded.payload, lambda value, name=name: rename(value, name))
            with pytest.raises(ValidationError, match=f"renamed_{name}"):
                decode(copied, declared)
            renamed += 1
    assert renamed


def test_a_renamed_field_of_a_nested_message_is_seen() -> None:
    """Temporal's own decoding takes the default instead, and the replay succeeds."""
    history = read("pipeline")
    place = "event 1, workflow_execution_started_event_attributes.input.payloads.0"
    change_payload(history, place, lambda run: rename(run["steps"][1]["run"], "max_retries"))

    (payload,) = history.events[0].workflow_execution_started_event_attributes.input.payloads
    lenient = pydantic_data_converter.payload_converter.from_payload(payload, PipelineRun)
    assert lenient.steps[1].run.max_retries == 3
    (fault,) = faults_of(history)
    assert fault.startswith(place)
    assert "steps.1.run.renamed_max_retries" in fault


def test_a_renamed_input_of_a_task_is_seen() -> None:
    """Messages carry inputs as an untyped object; the task type's row defines their names."""
    history = read("task")
    place = "event 1, workflow_execution_started_event_attributes.input.payloads.0"
    change_payload(history, place, lambda run: rename(run["inputs"], "seed"))

    (fault,) = faults_of(history)
    assert "inputs that GENERATION does not have: renamed_seed" in fault


def test_a_renamed_field_of_a_local_activity_is_seen() -> None:
    history = read("task")
    (place,) = (
        str(each) for each in payloads_of(history) if each.path[1:3] == ("details", "result")
    )
    change_payload(history, place, lambda standing: rename(standing, "results"))

    (fault,) = faults_of(history)
    assert "renamed_results" in fault


def test_a_payload_without_a_declared_type_is_seen() -> None:
    history = read("task")
    started = history.events[0].workflow_execution_started_event_attributes
    started.memo.fields["note"].CopyFrom(started.input.payloads[0])
    started.input.payloads.append(started.input.payloads[0])

    assert [fault.partition(": ")[0] for fault in faults_of(history)] == [
        "event 1, workflow_execution_started_event_attributes.input.payloads.1",
        "event 1, workflow_execution_started_event_attributes.memo.fields.note",
    ]
