"""The workflow input of a pipeline, and its summary."""

import uuid
from typing import Any

import pytest

from shared.db.models.tables import Task, Workflow, WorkflowStep
from tests.fixtures.rows import runnable_training
from workflows.starts import pipeline_run, start_pipeline, start_training


def task() -> Task:
    return Task(
        id=uuid.uuid4(),
        task_type="EXPERIMENTAL_FAL",
        provider_type="fal_standard",
        queue_name="provider-fal",
        inputs={"fal_app_id": "a/b"},
        config={},
        max_retries=3,
        priority=0,
        origin_instance="shop",
    )


def test_a_completed_step_carries_only_the_results_that_later_steps_map() -> None:
    mapping = {"from_step": "first", "from_field": "seed", "to_field": "fal_parameters.seed"}
    done = {"position": 0, "step_id": "first", "status": "COMPLETED", "input_mappings": []}
    open_ = {"position": 1, "step_id": "second", "status": "PENDING", "input_mappings": [mapping]}
    workflow = Workflow(
        id=uuid.uuid4(),
        name="w",
        steps=[
            WorkflowStep(**done, dependencies=[], result={"seed": 7, "text": "x" * 2_000_000}),
            WorkflowStep(**open_, dependencies=["first"]),
        ],
    )
    run = pipeline_run(workflow, {"first": task(), "second": task()})
    assert [step.result for step in run.steps] == [{"seed": 7}, None]


class Recorder:
    """A client that starts nothing."""

    summary = details = ""

    async def start_workflow(self, *_args: Any, **options: Any) -> None:
        self.summary, self.details = options["static_summary"], options["static_details"]


@pytest.mark.parametrize(
    ("dependencies", "summary"),
    [
        ({"a": []}, "w: a"),
        ({"a": [], "b": ["a"], "c": ["b"]}, "w: a → b → c"),
        ({"a": [], "b": ["a"], "c": ["a", "b"]}, "w: a → b → c"),
        ({"a": [], "b": []}, "w: a, b"),
        ({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}, "w: a, b, c, d"),
    ],
)
async def test_arrows_join_the_steps_of_a_chain(
    dependencies: dict[str, list[str]], summary: str
) -> None:
    workflow = Workflow(
        id=uuid.uuid4(),
        name="w",
        temporal_id="workflow-1",
        origin_instance="shop",
        steps=[
            WorkflowStep(step_id=name, dependencies=before, input_mappings=[], task_type="REFINE")
            for name, before in dependencies.items()
        ],
    )
    client: Any = Recorder()

    await start_pipeline(client, workflow, {name: task() for name in dependencies})

    assert client.summary == summary


async def test_a_trigger_word_stays_within_its_code_span() -> None:
    client: Any = Recorder()

    await start_training(client, runnable_training(trigger_word="a` **b**", steps=10))

    assert "- PRODUCT `a' **b**` → `product`\n- 1 picture" in client.details
