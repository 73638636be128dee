"""Recorded histories replay on today's workflows; `replay/record.py` says how they were made."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from workflows.worker import WORKFLOWS

HISTORIES = sorted((Path(__file__).parent / "replay" / "histories").glob("*.json"))


def test_there_is_a_history_of_each_shape() -> None:
    assert {path.stem for path in HISTORIES} >= {
        "task",
        "task-retried",
        "task-remote",
        "task-fallback",
        "pipeline",
        "training",
        "evaluation",
        "delivery",
        "delivery-retried",
    }


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_recorded_history_replays(path: Path) -> None:
    replayer = Replayer(workflows=WORKFLOWS, data_converter=pydantic_data_converter)
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None
