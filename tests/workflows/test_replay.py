"""Recorded histories replay on today's workflows; `replay/record.py` records them."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory

from tests.fixtures.replaying import replay
from workflows.worker import WORKFLOWS

HISTORIES = sorted((Path(__file__).parent / "replay" / "histories").glob("*.json"))


def type_of(path: Path) -> str:
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


def test_there_is_a_history_of_every_type() -> None:
    """A new workflow needs a recorded history: `replay/record.py`."""
    names = {definition.__temporal_workflow_definition.name for definition in WORKFLOWS}
    assert {type_of(path) for path in HISTORIES} == names


def test_there_is_a_history_of_each_shape() -> None:
    shapes = {
        "pipeline-from-an-app",
        "pipeline-unchecked",
        "task-editing",
        "task-retried",
        "task-remote",
        "task-fallback",
        "delivery-retried",
    }
    assert shapes <= {path.stem for path in HISTORIES}


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_recorded_history_replays(path: Path) -> None:
    await replay(WorkflowHistory.from_json(path.stem, path.read_text()))
