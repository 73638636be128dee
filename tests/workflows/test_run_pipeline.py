"""Pipelines on a real server: side by side where they may, in order where they must."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from shared.contracts.enums import ErrorCategory, TaskStatus, WorkflowStatus
from shared.errors import InvalidInputError
from tests.fakes.inference import Attempt
from tests.fixtures.workflow_runs import Runs, picture_from, pipeline, refinement, step


async def test_steps_without_dependencies_run_side_by_side(working: Runs) -> None:
    barrier = asyncio.Barrier(3)

    async def meet(_attempt: Attempt) -> None:
        async with asyncio.timeout(10):
            await barrier.wait()

    working.inference.act = meet
    run = pipeline(step("a"), step("b"), step("c"))

    outcome = await (await working.start_pipeline(run)).result()

    assert outcome.status == WorkflowStatus.COMPLETED
    assert working.records.pipelines[run.workflow_id] == outcome


async def test_results_are_mapped_into_later_inputs_and_recorded(working: Runs) -> None:
    first = step("generate")
    second = step("refine", "generate", run=refinement(), mappings=[picture_from("generate")])

    await (await working.start_pipeline(pipeline(first, second))).result()

    generated = working.outcome(first.run.task_id).results["result_image_path"]
    refined = working.outcome(second.run.task_id)
    assert refined.mapped_inputs == {"base_image_url": generated}
    attempt: Any = working.inference.attempts[-1]
    assert attempt.inputs.base_image_url == generated


async def test_failure_lets_running_steps_end_and_starts_no_more(working: Runs) -> None:
    bad, slow = step("bad"), step("slow")
    behind = step("behind", "bad")
    next_to_slow = step("after-slow", "slow")
    has_failed = asyncio.Event()

    async def act(attempt: Attempt) -> None:
        if attempt.task_id == bad.run.task_id:
            has_failed.set()
            raise InvalidInputError("no such dress")
        await has_failed.wait()

    working.inference.act = act
    run = pipeline(bad, slow, behind, next_to_slow)
    handle = await working.start_pipeline(run)

    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()

    assert "step bad" in str(failure.value.cause)
    assert working.outcome(bad.run.task_id).error_category == ErrorCategory.VALIDATION
    assert working.outcome(slow.run.task_id).status == TaskStatus.COMPLETED
    assert set(working.records.tasks) == {bad.run.task_id, slow.run.task_id}
    recorded = working.records.pipelines[run.workflow_id]
    assert recorded.status == WorkflowStatus.FAILED
    assert "no such dress" in recorded.errors[0]


async def test_cancel_ends_running_steps_and_the_run(working: Runs) -> None:
    is_running = asyncio.Event()

    async def act(_attempt: Attempt) -> None:
        is_running.set()
        await asyncio.Event().wait()

    working.inference.act = act
    first = step("a")
    run = pipeline(first, step("b", "a"))
    handle = await working.start_pipeline(run)
    await is_running.wait()

    await handle.cancel()

    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    assert working.records.pipelines[run.workflow_id].status == WorkflowStatus.CANCELLED
    assert working.outcome(first.run.task_id).status == TaskStatus.CANCELLED
    assert len(working.records.tasks) == 1


async def test_completed_steps_are_not_run_again(working: Runs) -> None:
    done = step("generate", result={"result_image_path": "kept.png"})
    second = step("refine", "generate", run=refinement(), mappings=[picture_from("generate")])

    await (await working.start_pipeline(pipeline(done, second))).result()

    assert set(working.records.tasks) == {second.run.task_id}
    assert working.outcome(second.run.task_id).mapped_inputs == {"base_image_url": "kept.png"}


async def test_mapping_without_a_value_fails_its_step(working: Runs) -> None:
    done = step("generate", result={})
    second = step("refine", "generate", run=refinement(), mappings=[picture_from("generate")])

    with pytest.raises(WorkflowFailureError):
        await (await working.start_pipeline(pipeline(done, second))).result()

    failed = working.outcome(second.run.task_id)
    assert (failed.status, failed.error_category) == (TaskStatus.FAILED, ErrorCategory.VALIDATION)
    assert "generate.result_image_path" in failed.errors[0]
    assert working.inference.attempts == []
